//! Tests of the examples: they are run as programs, and their output is checked.
//! (`examples/census.rs` has a test file of its own.)
#![allow(missing_docs)] // a test's name documents it

mod program;

use std::{
    collections::BTreeSet,
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn every_example_has_a_test() {
    let tests: String = sources("tests").map(|file| fs::read_to_string(file).expect("a test is text")).collect();
    let names = sources("examples").map(|file| file.file_stem().expect("it has a name").to_string_lossy().into_owned());
    let missing: Vec<_> = names.filter(|name| !tests.contains(&format!("(\"{name}\""))).collect();
    assert!(missing.is_empty(), "no test runs {missing:?}");
}

/// Returns the Rust files directly in a folder.
fn sources(folder: &str) -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
}

// ----- patterns

#[test]
fn worker_to_worker_exchanges_messages() {
    let printed = run("worker_to_worker", &[]);
    assert_eq!(printed[0], "keeper: 50? it is less");
    assert_eq!(
        printed[printed.len() - 3..],
        ["keeper: 42? that is it", "keeper: the other port is closed", "found Some(42) after 7 guesses"]
    );
}

#[test]
fn ports_managed_loses_no_page_and_removes_its_files() {
    let printed = run("ports_managed", &[]);
    let pages: Vec<_> = after(&printed, "printer ").filter_map(|line| line.split_once(": page ")).collect();
    assert_eq!(pages, [("1", "1"), ("1", "2"), ("2", "3"), ("2", "4"), ("3", "5")]);
    let off: Vec<_> = printed.iter().filter(|line| line.contains(": off after ")).collect();
    assert_eq!(off.len(), 3, "each printer ends: {printed:#?}");
    assert_eq!(printed.last().map(String::as_str), Some("five pages took 3 printers"));
}

#[test]
fn pipeline_services_bounds_the_lead_of_each_stage() {
    let printed = run("pipeline_services", &[]);
    for stage in ["drawn   ", "blurred ", "packed  "] {
        let numbers: Vec<_> = after(&printed, stage).map(|line| &line[..1]).collect();
        assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7"], "{stage}: {printed:#?}");
    }
    let mut ahead = 0;
    for line in &printed {
        ahead += i32::from(line.starts_with("drawn")) - i32::from(line.starts_with("blurred"));
        assert!(ahead <= 4, "one is drawn, two wait, one is blurred: {printed:#?}");
    }
    assert_eq!(printed.last().map(String::as_str), Some("came out: [0, 1, 2, 3, 4, 5, 6, 7]"));
}

#[test]
fn request_response_discards_a_late_answer() {
    assert_eq!(
        run("request_response", &[]),
        [
            "Emma: shelf 4",
            "Ulysses: no answer in time",
            "answer to question 2 came late: shelf 7",
            "Middlemarch: shelf 11",
            "library: closed",
        ]
    );
}

#[test]
fn batched_transfer_flushes_by_count_bytes_time_and_close() {
    let printed = run("batched_transfer", &[]);
    assert_eq!(
        printed[..3],
        [
            "4 records, 32 bytes, sent by Count",
            "3 records, 168 bytes, sent by Bytes",
            "1 records, 80 bytes, sent by Time"
        ]
    );
    // If the machine stalls for a quarter of a second, the batch's time is over before the close is
    // seen.
    assert!(
        printed[3..].iter().any(|line| line.ends_with("sent by Close") || line.ends_with("sent by Time")),
        "{printed:#?}"
    );
    assert!(printed.contains(&"11 records, in order: true".to_owned()), "{printed:#?}");
}

#[test]
fn broadcast_reaches_all_and_send_to_reaches_one() {
    let printed = run("broadcast", &[]);
    assert_eq!(printed[..3], ["anna: on deck", "ben: on deck", "cleo: on deck"]);
    assert_eq!(printed[3], "captain, to 3: set sail");
    assert_eq!(printed[4..7], ["anna, with all: set sail", "ben, with all: set sail", "cleo, with all: set sail"]);
    assert_eq!(printed[8], "ben alone: look out");
    let heard_of_land: Vec<_> = printed.iter().filter_map(|line| line.strip_suffix(", with all: land ahead")).collect();
    assert_eq!(heard_of_land, ["captain", "anna", "cleo"], "not ben, who said it");
    assert_eq!(printed.last().map(String::as_str), Some("heard by each: [2, 2, 2]"));
}

#[test]
fn publish_subscribe_reaches_current_subscribers() {
    assert_eq!(
        run("publish_subscribe", &[]),
        [
            "tea: no reader is left (to 0)",
            "tea: Assam is in (to 2)",
            "ships: the Cutty Sark is late (to 1)",
            r#"anna reads ["ships: the Cutty Sark is late", "tea: Assam is in"]"#,
            "tea: Darjeeling is out (to 1)",
            "ships: the Cutty Sark is in (to 1)",
            r#"anna reads ["ships: the Cutty Sark is in"]"#,
            r#"ben reads ["tea: Assam is in", "tea: Darjeeling is out"]"#,
            "the messenger `tea` carries `alloc::string::String`, not `u64`",
        ]
    );
}

#[test]
fn round_robin_continues_without_a_removed_worker() {
    let printed = run("round_robin", &[]);
    for line in [
        "customer 1 paid 10 euros to cashier 0",
        "customer 2 paid 20 euros to cashier 1",
        "customer 3 paid 30 euros to cashier 2",
        "customer 6 paid 60 euros to cashier 2",
        "cashier 0 has to leave at once",
        "bread is 5 euros, says cashier 1",
        "cheese is 6 euros, says cashier 2",
        "1 calls went on to another cashier",
    ] {
        assert!(printed.iter().any(|other| other == line), "`{line}` is missing: {printed:#?}");
    }
    let tea = printed.iter().find(|line| line.starts_with("tea is 3 euros, says cashier "));
    assert!(tea.is_some_and(|line| !line.ends_with('0')), "{printed:#?}");
    let till =
        |n: u64| after(&printed, &format!("till {n} has ")).find_map(|line| line.split(' ').next()?.parse().ok());
    let tills: (Option<u64>, Option<u64>) = (till(0), till(1).zip(till(2)).map(|(one, two): (u64, u64)| one + two));
    assert_eq!(tills, (None, Some(180)), "{printed:#?}");
    let closed = printed.iter().filter(|line| line.contains("closes with")).count();
    assert_eq!(closed, 2, "who is ended does not close: {printed:#?}");
}

#[test]
fn credit_flow_writer_waits_for_credit() {
    let printed = run("credit_flow", &[]);
    let at_once = printed.iter().take_while(|line| line.ends_with("written at once")).count();
    assert_eq!(at_once, 4, "{printed:#?}");
    assert_eq!(printed.iter().filter(|line| line.starts_with("chunk")).count(), 12, "{printed:#?}");
    assert!(printed.iter().any(|line| line.ends_with("when the reader had taken one")), "{printed:#?}");
    for line in ["`report` is read: 12288 bytes", "all is taken"] {
        assert!(printed.iter().any(|other| other == line), "`{line}` is missing: {printed:#?}");
    }
}

#[test]
fn bounded_handoff_delivers_ten_primes_and_returns_one() {
    let printed = run("bounded_handoff", &[]);
    let taken: Vec<_> = after(&printed, "taken: ").collect();
    assert_eq!(taken, ["2", "3", "5", "7", "11", "13", "17", "19", "23", "29"]);
    assert!(printed.iter().any(|line| line.ends_with("comes back: ten are enough")), "{printed:#?}");
}

#[test]
fn pipeline_example_keeps_few_pictures_in_memory() {
    let printed = run("pipeline", &["--count", "24"]);
    let quarters: Vec<_> = printed.iter().filter_map(|line| line.split_once(" of 24, waiting and at work: ")).collect();
    assert_eq!(quarters.iter().map(|(came, _)| *came).collect::<Vec<_>>(), ["6", "12", "18", "24"]);
    assert!(quarters[0].1.starts_with("decode ") && quarters[0].1.contains(", encode "), "{printed:#?}");
    for stage in ["decode", "shrink", "encode"] {
        let line = printed.iter().find(|line| line.starts_with(stage)).expect("each stage has a line");
        assert_eq!(line.split_whitespace().nth(3), Some("24"), "all are done: {line}");
    }
    assert!(printed[printed.len() - 2].starts_with("24 small pictures, "), "{printed:#?}");
    let last = &printed[printed.len() - 1];
    let numbers: Vec<u32> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [ahead, 24, most] = numbers[..] else { panic!("{last}") };
    assert!(0 < ahead && ahead <= most && most < 30, "{last}");
}

#[test]
fn pipeline_example_shrinks_pictures_and_reports_bad_files() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let large = folder.path().join("large.png");
    write_picture(&large, 300, 200)?;
    let text = folder.path().join("text.png");
    fs::write(&text, "no picture")?;
    let out = folder.path().join("small");
    let paths = [&large, &text].map(|path| path.to_str().expect("it is text"));
    let arguments = [paths[0], paths[1], "--out", out.to_str().expect("it is text")];
    let printed = run("pipeline", &arguments);
    let problem = format!("item 1 failed at stage `decode`: `{}`: ", paths[1]);
    assert!(printed.iter().any(|line| line.starts_with(&problem)), "{printed:#?}");
    assert_eq!(picture_size(&out.join("large.png"))?, (128, 85));
    let again = Command::new(program::build("pipeline")).args(arguments).output()?;
    assert_eq!(again.status.code(), Some(1), "nothing is written over");
    Ok(())
}

// ----- states

#[test]
fn map_is_shared_by_tasks_and_the_holder_of_the_arc() {
    let printed = run("shared_map", &[]);
    assert_eq!(
        printed[printed.len() - 3..],
        [r#"most often: [("the", 6), ("and", 4), ("in", 3)]"#, "`in` was seen 3 times", "51 different words",]
    );
}

#[test]
fn undo_tree_lives_on_its_service() {
    let printed = run("undo", &[]);
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(words(&printed[0]), words("once upon a time there"));
    assert!(printed[0].starts_with(&printed[1]) && words(&printed[1]).len() == 4, "{printed:#?}");
    assert_eq!(printed[2..], ["closed with 4 versions"]);
}

#[test]
fn roots_example_prints_right_roots() {
    let printed = run("roots", &["20000"]);
    assert_eq!(printed[0], "20,000 square roots, each a task of its own, each checked and right");
    assert!(printed.last().is_some_and(|line| line.starts_with("in bulk ")), "{printed:#?}");
}

// ----- tours

#[test]
fn services_tour_shows_each_step() {
    assert_eq!(
        run("services_tour", &[]),
        [
            "after a message: 15",
            "after a stream: 21",
            "after a reset: 0",
            "Counter::divide panicked: attempt to divide by zero",
            "after a restart: 10",
            "a member's total: 0",
            "through a port: 9",
            "by messenger: tea",
        ]
    );
}

#[test]
fn calls_tour_shows_each_step() {
    assert_eq!(
        run("calls_tour", &[]),
        [
            "counted to 1000000, packed parcel 7",
            "delayed: 3",
            "in bulk: 10000 prices, the same: true",
            "in a group: 10 parcels",
            "through a pipeline: 100 parcels",
            "through layers: 4",
            "by shares: 2 and 2",
        ]
    );
}

#[test]
fn simulation_finds_lost_update() {
    assert_eq!(run("simulation", &[]), ["read, wait, write: a seed fails", "one call: no seed fails"]);
}

// ----- beside tokio

#[test]
fn web_server_answers_rejects_and_cancels() {
    assert_eq!(
        run("web", &[]),
        ["/count/1000: 200 168", "search: started", "/count/1000: 503 ", "search: cancelled", "/count/1000: 200 168",]
    );
}

// ----- programs

#[test]
fn thumbnails_reports_its_broken_picture_and_makes_the_rest() {
    let printed = run("thumbnails", &[]);
    assert!(printed[0].contains("broken.png`: "), "{printed:#?}");
    assert!(printed[1].starts_with("40 of 41 thumbnails, 1 failed, in "), "{printed:#?}");
    assert_eq!(printed.len(), 2);
}

#[test]
fn thumbnails_shrinks_the_pictures_of_a_folder() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    write_picture(&folder.path().join("wide.png"), 300, 200)?;
    write_picture(&folder.path().join("small.PNG"), 40, 20)?;
    fs::write(folder.path().join("notes.txt"), "no picture")?;
    let printed = run("thumbnails", &[folder.path().to_str().ok_or("it is text")?]);
    assert!(printed[0].starts_with("2 of 2 thumbnails, 0 failed"), "{printed:#?}");
    let size = |name: &str| picture_size(&folder.path().join("thumbnails").join(name));
    assert_eq!((size("wide.png")?, size("small.PNG")?), ((96, 64), (40, 20)));
    assert_eq!(fs::read_dir(folder.path().join("thumbnails"))?.count(), 2);
    Ok(())
}

#[cfg(unix)]
#[test]
fn interrupt_ends_thumbnails_in_order() -> Result<(), Box<dyn std::error::Error>> {
    use std::{io::BufRead, process::Stdio};
    let folder = tempfile::tempdir()?;
    let large = folder.path().join("1.png");
    write_picture(&large, 1_500, 1_500)?;
    for number in 2..=300 {
        fs::copy(&large, folder.path().join(format!("{number}.png")))?;
    }
    fs::write(folder.path().join("0.png"), "no picture")?; // the first file
    let mut child = Command::new(program::build("thumbnails")).arg(folder.path()).stdout(Stdio::piped()).spawn()?;
    let mut printed = BufReader::new(child.stdout.take().ok_or("it is piped")?).lines();
    let first = printed.next().ok_or("it prints")??;
    assert!(first.contains("0.png`: "), "{first}");
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status()?.success());
    let rest = printed.collect::<Result<Vec<_>, _>>()?;
    assert_eq!(child.wait()?.code(), Some(130), "{rest:#?}");
    let made: usize = rest[0].split(' ').next().ok_or("a number")?.parse()?;
    assert_eq!(rest[1], format!("stopped: {} pictures are left", 300 - made));
    assert!(made < 300, "{rest:#?}");
    let thumbnails: Vec<_> = fs::read_dir(folder.path().join("thumbnails"))?.collect::<Result<_, _>>()?;
    assert!(thumbnails.len() >= made, "the ones that are made are there");
    for thumbnail in thumbnails {
        assert_eq!(picture_size(&thumbnail.path())?, (96, 96), "it is whole");
    }
    Ok(())
}

/// Writes a gray picture.
fn write_picture(path: &Path, width: u32, height: u32) -> Result<(), Box<dyn std::error::Error>> {
    let mut encoder = png::Encoder::new(fs::File::create(path)?, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(&vec![7; (width * height) as usize])?;
    Ok(())
}

/// Decodes a whole picture, and returns its width and height.
fn picture_size(path: &Path) -> Result<(u32, u32), Box<dyn std::error::Error>> {
    let mut reader = png::Decoder::new(BufReader::new(fs::File::open(path)?)).read_info()?;
    let mut samples = vec![0; reader.output_buffer_size().ok_or("it is small")?];
    let info = reader.next_frame(&mut samples)?;
    assert!(samples[..info.buffer_size()].iter().all(|sample| *sample == 7), "it is gray");
    Ok((info.width, info.height))
}

#[test]
fn search_index_answers_more_while_it_grows() {
    let printed = run("search_index", &[]);
    let counts: Vec<u32> =
        after_last(&printed, "`whale` occurs ").filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect();
    assert_eq!(counts.len(), 4, "{printed:#?}");
    assert!(counts[0] > 0 && counts.is_sorted_by(|a, b| a < b), "{printed:#?}");
    assert!(printed[3].starts_with("200 of 201 files, 12 different words: "), "{printed:#?}");
    assert_eq!(printed[4], "not text, or not readable: 1");
}

#[test]
fn search_index_finds_phrases_with_their_positions() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("deep"))?;
    fs::write(folder.path().join("a.txt"), "One small step. One\nSMALL, small step!")?;
    fs::write(folder.path().join("deep/b.txt"), "A giant leap; one small.")?;
    fs::write(folder.path().join("c.txt"), "small one step")?;
    let folder = folder.path().to_str().ok_or("it is text")?;
    let printed = run("search_index", &[folder, "one small", "small STEP", "no leap"]);
    let answers = printed.iter().position(|line| line == "not text, or not readable: 0").ok_or("it says so")?;
    assert_eq!(printed[answers - 1], "3 of 3 files, 6 different words: `leap` occurs 1 times");
    assert_eq!(
        printed[answers + 1..],
        [
            "files with `one small`: 2",
            "  a.txt at words [0, 3]",
            "  deep/b.txt at words [3]",
            "files with `small STEP`: 1",
            "  a.txt at words [1, 5]",
            "files with `no leap`: 0",
        ]
    );
    Ok(())
}

#[test]
fn frames_go_on_during_a_task_in_slices() {
    let printed = run("frames", &["600"]);
    let during = |name: &str| -> u32 {
        let line = after(&printed, name).next().expect("each run has a line");
        line.split(' ').nth(2).and_then(|number| number.parse().ok()).expect("a number of frames")
    };
    assert!(during("in slices: ") >= 4, "{printed:#?}");
    assert_eq!(during("at once: "), 1, "{printed:#?}");
    let max = |line: &str| -> f64 {
        line.split("max ").nth(1).and_then(|rest| rest.trim_end_matches(" ms").parse().ok()).expect("a time")
    };
    let p50 = |line: &str| -> f64 { line.split(' ').nth(3).and_then(|time| time.parse().ok()).expect("a time") };
    let times: Vec<_> = printed.iter().filter(|line| line.starts_with("  p50 ")).collect();
    assert!(max(times[1]) > 2.0 * p50(times[0]), "one frame took as long as the picture: {printed:#?}");
    assert_eq!(printed.last().map(String::as_str), Some("the pictures are the same: true"));
}

#[test]
fn crawler_retries_refuses_and_keeps_its_rate() {
    let printed = run("crawler", &[]);
    assert_eq!(
        printed[..9],
        [
            "level 0: 1 pages, 0 failed",
            "level 1: 2 pages, 1 failed",
            "level 2: 4 pages, 0 failed",
            "level 3: 8 pages, 2 failed",
            "level 4: 16 pages, 2 failed",
            "level 5: 0 pages, 6 failed",
            "31 pages stored, 3 failed after retries",
            "17 retries",
            "8 refused by the circuit breaker",
        ]
    );
    // 31 pages and 3 other links are asked for, with 17 retries. The first 5 requests need not wait.
    let seconds: f64 = printed[9]
        .split_once(" in ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .expect("it prints the time");
    assert!(seconds > f64::from(31 + 3 + 17 - 5) / 50.0 - 0.01, "{printed:#?}");
}

#[test]
fn axum_server_refuses_restarts_and_shuts_down_without_loss() {
    let printed = run("axum_server", &[]);
    let expected = [
        "register anna: 201",
        "register anna again: 409",
        "login: 200",
        "login with a wrong password: 401",
        "one request more than the pool accepts: 503",
        "the requests before it: 201 201 201 201",
        "a call beyond its time: 504",
        "its task: cancelled",
        "the task of a client that disconnects: cancelled",
        "a call that meets a bug in the writer fails: true",
        "register dora after the restart: 201",
        "/metrics: nanolith_queue_depth{executor=\"passwords\"} 0",
        "/metrics: nanolith_queue_depth{executor=\"accounts\"} 0",
        "/metrics: nanolith_queue_depth{executor=\"readers\"} 0",
        "/metrics: passwords_completed_total 13",
        "/metrics: accounts_restarts_total 1",
        "/metrics: accounts 6",
        "accepted before the shutdown: 201 201 201 201",
        "the server accepts connections: false",
    ];
    assert_eq!(printed[..expected.len()], expected);
    assert!(printed[expected.len()].starts_with("10 accounts are in the file; "), "{printed:#?}");
}

/// Runs an example, and returns the lines that it prints.
fn run(example: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program::build(example)).args(arguments).output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed.lines().map(str::to_owned).collect()
}

/// Returns the rest of each line that starts with `beginning`.
fn after<'a>(printed: &'a [String], beginning: &str) -> impl Iterator<Item = &'a str> {
    printed.iter().filter_map(move |line| line.strip_prefix(beginning))
}

/// Returns the rest of each line that has `mark`.
fn after_last<'a>(printed: &'a [String], mark: &str) -> impl Iterator<Item = &'a str> {
    printed.iter().filter_map(move |line| line.rsplit_once(mark).map(|(_, rest)| rest))
}
