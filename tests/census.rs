//! Tests that `examples/census.rs` counts correctly. Its JSON is compared with the output of
//! `find`, `wc`, `tr` and `cmp`.
#![cfg(unix)]

// The program uses all of these.
#[allow(dead_code)]
#[path = "../examples/census/count.rs"]
mod count;
#[path = "../examples/census/dispatcher.rs"]
mod dispatcher;
#[allow(dead_code)]
#[path = "../examples/shared/file.rs"]
mod file;
#[allow(dead_code)]
#[path = "../examples/census/ledger.rs"]
mod ledger;
mod program;
#[allow(dead_code)]
#[path = "../examples/shared/mod.rs"]
mod shared;

use count::{Census, LARGE};
use dispatcher::Dispatcher;
use file::Links;
use indicatif::{ProgressDrawTarget, TermLike};
use ledger::Ledger;
use nanolith::{pool::Concurrency, prelude::*};
use serde_json::Value;
use shared::bar::Bar;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::symlink,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tempfile::TempDir;

#[test]
fn totals_by_type_agree_with_find_and_wc() {
    let tree = tree();
    let report = json(&["--all".as_ref(), tree.path().as_os_str()]);
    assert_eq!(types_of(&report), types_by_wc(&find(tree.path(), &[])));
    assert_eq!(report["unreadable"], Value::Array(Vec::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn census_in_processes_has_the_same_report() {
    let tree = tree();
    let unreachable = bury_a_file(tree.path());
    let on =
        |place: &str| text(&census(&["--json".as_ref(), "--on".as_ref(), place.as_ref(), tree.path().as_os_str()]));
    assert_eq!(on("processes"), on("threads"));
    let reported = on("processes").contains(&unreachable.file_name().expect("a name").display().to_string());
    assert!(reported, "the errors of tasks are in the report too");
}

#[test]
fn total_is_the_sum_of_the_types() {
    let tree = tree();
    let report = json(&["--all".as_ref(), tree.path().as_os_str()]);
    let mut sum = [0; 4];
    types_of(&report).values().for_each(|counts| add(&mut sum, counts));
    assert_eq!(counts_of(&report["total"]), sum);
    assert!(sum[0] > 20, "the tree is there");
}

#[test]
fn word_counts_agree_with_wc() {
    let tree = tree();
    let report = json(&[tree.path().join("text").as_os_str()]);
    let files = find(&tree.path().join("text"), &["-not", "-name", "*.log"]);
    let words: u64 = files.iter().map(|file| wc("-w", &content(file))).sum();
    assert_eq!(report["total"]["words"], words);
    assert!(words > 1_000, "there is some text");
}

#[test]
fn duplicates_agree_with_cmp() {
    let tree = tree();
    let report = json(&["--all".as_ref(), tree.path().as_os_str()]);
    let expected = groups_by_cmp(&find(tree.path(), &["-size", "+0"]));
    assert_eq!(duplicates_of(&report), expected);
    assert_eq!(expected.len(), 3);
}

#[test]
fn hidden_and_ignored_files_are_left_out() {
    let tree = tree();
    let report = json(&[tree.path().as_os_str()]);
    let left_out = ["-path", "*/.*", "-o", "-name", "*.log", "-o", "-path", "*/build/*", "-o", "-name", "secret"];
    let seen = find(tree.path(), &[&["-not", "("], &left_out[..], &[")"]].concat());
    assert_eq!(types_of(&report), types_by_wc(&seen));
    assert_eq!(find(tree.path(), &[]).len() - seen.len(), 8, "they are there");
}

#[test]
fn unreadable_file_is_listed_and_the_rest_is_counted() {
    let tree = folder();
    fs::write(tree.path().join("fine.txt"), "two words\n").expect("written");
    let unreachable = bury_a_file(tree.path());
    let report = json(&[tree.path().as_os_str()]);
    assert_eq!(counts_of(&report["total"]), [1, 10, 1, 2]);
    let listed = report["unreadable"].as_array().expect("a list");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(path_of(&listed[0]["path"]), unreachable);
    let reason = fs::read(&unreachable).expect_err("its path is too long").to_string();
    assert_eq!(listed[0]["reason"], *reason);
}

#[cfg(target_os = "linux")]
#[test]
fn file_that_fails_while_read_is_listed() {
    let report = json(&["/proc/self/mem".as_ref()]);
    assert_eq!(counts_of(&report["total"]), [0; 4]);
    assert_eq!(report["unreadable"][0]["path"], "/proc/self/mem");
}

/// Each of these may replace a file between the walk and the time at which the task opens it.
#[test]
fn replaced_file_is_refused_and_blocks_no_worker() {
    let tree = folder();
    let path = |name: &str| tree.path().join(name);
    run("mkfifo", &[path("fifo").as_os_str()], &[]);
    fs::create_dir(path("folder")).expect("a folder");
    fs::write(path("file"), "two words\n").expect("written");
    symlink("file", path("link")).expect("a link");
    symlink("fifo", path("link-to-fifo")).expect("a link");
    let _socket = UnixListener::bind(path("socket")).expect("a socket");
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound");
    let count = |name: &str, links| Census::on(&pool).count(path(name).into(), links).wait().expect("it ends");
    let reason = |name: &str, links| count(name, links).err().expect("it is no file");
    assert_eq!(reason("fifo", Links::Refuse), "not a regular file, but a FIFO");
    assert_eq!(reason("link-to-fifo", Links::Follow), "not a regular file, but a FIFO");
    assert_eq!(reason("folder", Links::Refuse), "not a regular file, but a folder");
    assert_eq!(reason("link", Links::Refuse), "not a regular file, but a symbolic link");
    assert_eq!(reason("/dev/null", Links::Refuse), "not a regular file, but a device");
    assert!(count("socket", Links::Refuse).is_err());
    let error = fs::read(path("gone")).expect_err("there is none");
    assert_eq!(reason("gone", Links::Refuse), error.to_string());
    assert_eq!(count("link", Links::Follow).expect("it is a file").words, 2);
    assert_eq!(count("file", Links::Refuse).expect("it is a file").bytes, 10);
}

#[test]
fn fifo_argument_ends_the_program() {
    let tree = folder();
    let fifo = tree.path().join("pipe.png");
    run("mkfifo", &[fifo.as_os_str()], &[]);
    assert_eq!(counts_of(&json(&[fifo.as_os_str()])["total"]), [0; 4]);
    let (pipeline, out) = (program::build("pipeline"), tree.path().join("small"));
    let arguments = [fifo.as_os_str(), "--out".as_ref(), out.as_os_str()];
    let message = text(&Command::new(pipeline).args(arguments).output().expect("it runs"));
    assert!(message.contains("not a regular file, but a FIFO"), "{message}");
}

#[test]
fn growing_file_is_counted_to_its_former_end() {
    let endless = |size| count::read(io::repeat(b'x'), size, |_| true).expect("it is readable").bytes;
    assert_eq!((endless(LARGE + 5), endless(5), endless(0)), (LARGE + 5, LARGE, LARGE));
}

#[test]
fn empty_folder_has_a_census() {
    let tree = folder();
    let report = json(&[tree.path().as_os_str()]);
    assert_eq!(counts_of(&report["total"]), [0; 4]);
    assert_eq!(types_of(&report), BTreeMap::new());
}

#[test]
fn census_counts_more_files_than_it_opens_at_once() {
    let tree = folder();
    fs::write(tree.path().join("0.large"), vec![b'x'; 40_000_000]).expect("written");
    (0..3_000).for_each(|n| fs::write(tree.path().join(format!("{n}.small")), n.to_string()).expect("written"));
    let report = json(&[tree.path().as_os_str()]);
    assert_eq!(types_of(&report)[&Some("small".to_owned())], [3_000, 10 + 180 + 2_700 + 8_000, 0, 3_000]);
    assert_eq!(types_of(&report)[&Some("large".to_owned())], [1, 40_000_000, 0, 1]);
}

#[test]
fn table_shows_every_type_and_the_total() {
    let tree = tree();
    let table = text(&census(&["--all".as_ref(), tree.path().as_os_str()]));
    for line in ["type ", "txt ", "(none) ", "total ", "Groups of duplicates: 3;"] {
        assert!(table.lines().any(|found| found.starts_with(line)), "`{line}` is missing:\n{table}");
    }
}

#[test]
fn table_limits_duplicates_unless_all_are_asked_for() {
    let tree = folder();
    for group in 1..=12 {
        let content = "x".repeat(group);
        (0..7).for_each(|copy| fs::write(tree.path().join(format!("{group}-{copy}")), &content).expect("written"));
    }
    let lines = |arguments: &[&str]| -> Vec<String> {
        let arguments = arguments.iter().map(OsStr::new).chain([tree.path().as_os_str()]).collect::<Vec<_>>();
        text(&census(&arguments)).lines().map(str::to_owned).collect()
    };
    let short = lines(&[]);
    assert_eq!(short.iter().filter(|line| line.contains("  7 times ")).count(), 10, "{short:#?}");
    assert_eq!(short.iter().filter(|line| *line == "    and 2 more").count(), 10, "{short:#?}");
    assert!(short.iter().any(|line| line == "  and 2 more groups; `--all` lists all of them"), "{short:#?}");
    let all = lines(&["--all"]);
    assert_eq!(all.iter().filter(|line| line.contains("  7 times ")).count(), 12, "{all:#?}");
    assert!(!all.iter().any(|line| line.contains(" more")), "{all:#?}");
    assert_eq!(duplicates_of(&json(&[tree.path().as_os_str()])).len(), 12, "JSON has all of them");
}

#[test]
fn table_shows_how_many_files_each_worker_counted() {
    let tree = folder();
    (0..300).for_each(|n| fs::write(tree.path().join(n.to_string()), "text").expect("written"));
    let places: &[(&str, &str)] = if cfg!(target_os = "linux") {
        &[("threads", "Files counted by each thread:"), ("processes", "Files counted by each child process:")]
    } else {
        &[("threads", "Files counted by each thread:")]
    };
    for (place, title) in places {
        let table = text(&census(&["--on".as_ref(), place.as_ref(), tree.path().as_os_str()]));
        let workers: Vec<_> = table.lines().skip_while(|line| line != title).skip(1).collect();
        let (names, counts): (BTreeSet<_>, Vec<_>) =
            workers.iter().map(|line| line.trim().split_once(": ").expect("a name and a count")).unzip();
        assert_eq!(names.len(), workers.len(), "each worker has one line:\n{table}");
        let right = |name: &str| match *place {
            "threads" => name.starts_with("census-"),
            _ => name.parse::<u32>().is_ok(),
        };
        assert!(!names.is_empty() && names.into_iter().all(right), "{table}");
        assert_eq!(counts.into_iter().map(|count| count.parse::<u64>().expect("a number")).sum::<u64>(), 300);
    }
}

#[test]
fn progress_has_no_total_before_the_walk_is_over() -> Result<(), Box<dyn std::error::Error>> {
    let tree = folder();
    let screen = Screen::default();
    let bar = Bar::on(ProgressDrawTarget::term_like(Box::new(screen.clone())), Duration::ZERO, Duration::ZERO);
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build()?;
    let ledger = Ledger::service().launch().wait()?;
    let mut dispatcher = Dispatcher::new(&pool, &ledger, bar);
    for n in 0..3 {
        let path = tree.path().join(n.to_string());
        fs::write(&path, "text")?;
        dispatcher.count(path, Links::Refuse)?;
    }
    let meanwhile = screen.take();
    assert!(meanwhile.contains(" 3 files found, ") && !meanwhile.contains('/'), "{meanwhile}");
    dispatcher.finish()?;
    let then = screen.take();
    assert!(then.contains(" 3/3  12 B"), "{then}");
    Ok(())
}

/// A terminal that keeps what is written to it.
#[derive(Clone, Debug, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    /// Returns what was written since the last call.
    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().expect("no test panics with it"))
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        100
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().expect("no test panics with it").push_str(text);
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn wrong_command_line_exits_with_code_2() {
    for wrong in [&["no/such/path"][..], &["--jsno"], &[".", "."], &["--on", "mars"]] {
        let output = census(&wrong.iter().map(OsStr::new).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.starts_with("census: ") && message.contains(wrong[wrong.len() - 1]), "{message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn closed_output_pipe_is_no_failure() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    drop(ours);
    let mut command = Command::new(program());
    let output = command.arg("--help").stdout(OwnedFd::from(theirs)).stderr(Stdio::piped()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}

// ----- the tree

/// Creates an empty folder whose own name is not hidden.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("census").tempdir().expect("a folder")
}

/// Creates a folder with a bit of everything: three groups of duplicates, words across the borders
/// of chunks, binary files, names that are not text, links, a pipe, ignored and hidden files.
fn tree() -> TempDir {
    let tree = folder();
    let root = tree.path();
    for folder in ["text", "text/deeper", "binary", "empty/folders/only", "build", ".hidden"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for (name, content) in contents() {
        fs::write(root.join(name), content).expect("written");
    }
    symlink("text", root.join("link-to-folder")).expect("a link");
    symlink("text/a.txt", root.join("link.txt")).expect("a link");
    symlink("nowhere", root.join("dangling.txt")).expect("a link");
    run("mkfifo", &[root.join("pipe.txt").as_os_str()], &[]);
    tree
}

fn contents() -> Vec<(OsString, Vec<u8>)> {
    let prose = "The quick brown fox\tjumps over\u{a0}the lazy dog, naïvely.\r\n\n".repeat(3_000);
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let files = [
        ("text/a.txt", b"one two\nthree".to_vec()),
        ("text/same.md", b"one two\nthree".to_vec()),
        ("text/deeper/same", b"one two\nthree".to_vec()),
        ("text/same-size.txt", b"one two\nthrez".to_vec()),
        ("text/prose.txt", prose.clone().into_bytes()),
        ("text/deeper/prose.tar.gz", prose.clone().into_bytes()),
        ("text/longer.txt", format!("{prose}.").into_bytes()),
        ("text/one-long-word.txt", "word".repeat(50_000).into_bytes()),
        ("text/space.txt", b" \t\n\x0b\x0c\r ".to_vec()),
        ("text/vertical.txt", b"a\x0bb\x0bc\x0cd\x0ce\rf\rg h\ti".to_vec()),
        ("text/UPPER.TXT", b"shouted\n".to_vec()),
        ("text/empty.txt", Vec::new()),
        ("text/empty-too.txt", Vec::new()),
        ("text/name with\nbreak.txt", b"words\n".to_vec()),
        ("text/dot-at-end.", b"x".to_vec()),
        ("binary/bytes.bin", bytes),
        ("binary/zeros", vec![0; 65_536]),
        ("binary/border.bin", [&[b'x'; 65_536][..], b"y z\n"].concat()),
        (".gitignore", b"*.log\n/build\n".to_vec()),
        (".ignore", b"secret\n".to_vec()),
        ("noise.log", b"noise\n".to_vec()),
        ("text/deeper/more.log", b"noise\n".to_vec()),
        ("build/output.o", vec![b'o'; 100_000]),
        ("secret", b"hush\n".to_vec()),
        (".hidden/file.txt", b"hidden\n".to_vec()),
        (".profile", b"also hidden\n".to_vec()),
    ];
    let mut files: Vec<_> = files.map(|(name, content)| (OsString::from(name), content)).into();
    if cfg!(target_os = "linux") {
        files.push((OsString::from_vec(b"text/not-\xff-unicode.txt".to_vec()), b"one two\nthrez\n".to_vec()));
        files.push((OsString::from_vec(b"text/not-\xfe-unicode.\xfd".to_vec()), b"no extension that is text".to_vec()));
    }
    files
}

/// Creates a file so deep that the walk finds it but no user can open it, not even root. Its path
/// is longer than the system accepts, while the path of its folder is not. Returns its path.
fn bury_a_file(root: &Path) -> PathBuf {
    const LEVELS: usize = 25;
    let limit = if cfg!(target_os = "linux") { 4_096 } else { 1_024 };
    let (leaf, deep, outer) = ("f".repeat(100), root.join("deep"), root.join("outer"));
    let name = "d".repeat((limit - 60 - deep.as_os_str().len()) / LEVELS - 1);
    fs::create_dir(&deep).expect("a folder");
    fs::write(deep.join(&leaf), "out of reach").expect("written");
    let mut path = deep.clone();
    for _ in 0..LEVELS {
        fs::create_dir(&outer).expect("a folder");
        fs::rename(&deep, outer.join(&name)).expect("moved");
        fs::rename(&outer, &deep).expect("moved");
        path.push(&name);
    }
    path.join(leaf)
}

// ----- the program

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program::build("census"))
}

fn census(arguments: &[&OsStr]) -> Output {
    Command::new(program()).args(arguments).output().expect("it runs")
}

fn json(arguments: &[&OsStr]) -> Value {
    let arguments: Vec<_> = [OsStr::new("--json")].into_iter().chain(arguments.iter().copied()).collect();
    serde_json::from_str(&text(&census(&arguments))).expect("it is JSON")
}

/// Files, bytes, lines and words.
type Counts = [u64; 4];

fn counts_of(totals: &Value) -> Counts {
    ["files", "bytes", "lines", "words"].map(|figure| totals[figure].as_u64().expect("a number"))
}

fn types_of(report: &Value) -> BTreeMap<Option<String>, Counts> {
    let types = report["types"].as_array().expect("a list").iter();
    types.map(|totals| (totals["type"].as_str().map(str::to_owned), counts_of(totals))).collect()
}

fn duplicates_of(report: &Value) -> BTreeSet<BTreeSet<PathBuf>> {
    let groups = report["duplicates"].as_array().expect("a list").iter();
    groups.map(|group| group["paths"].as_array().expect("a list").iter().map(path_of).collect()).collect()
}

/// Returns a path from a string, or from the bytes of a name that is not text.
fn path_of(value: &Value) -> PathBuf {
    if let Some(text) = value.as_str() {
        return text.into();
    }
    let bytes = value["bytes"].as_array().expect("a list").iter();
    OsString::from_vec(bytes.map(|byte| byte.as_u64().expect("a byte") as u8).collect()).into()
}

// ----- the independent count

fn run(program: &str, arguments: &[&OsStr], input: &[u8]) -> Output {
    let feed = tempfile::tempfile().expect("a file");
    io::Write::write_all(&mut &feed, input).expect("written");
    io::Seek::rewind(&mut &feed).expect("at its start");
    Command::new(program).args(arguments).env("LC_ALL", "C").stdin(feed).output().expect("the tool is there")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

/// Returns the regular files below a folder.
fn find(root: &Path, conditions: &[&str]) -> BTreeSet<PathBuf> {
    let conditions = conditions.iter().map(OsStr::new);
    let arguments: Vec<_> = [root.as_os_str(), "-type".as_ref(), "f".as_ref()].into_iter().chain(conditions).collect();
    let found = run("find", &[&arguments[..], &["-print0".as_ref()]].concat(), &[]).stdout;
    found.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(|name| OsStr::from_bytes(name).into()).collect()
}

fn content(file: &Path) -> Vec<u8> {
    fs::read(file).expect("it is there")
}

fn wc(what: &str, input: &[u8]) -> u64 {
    text(&run("wc", &[what.as_ref()], input)).trim().parse().expect("a number")
}

/// Counts words by `wc -w`. Some versions skip words without a printable byte, so each byte of a
/// word becomes an `x` before.
fn words(input: &[u8]) -> u64 {
    wc("-w", &run("tr", &["-c".as_ref(), "[:space:]".as_ref(), "x".as_ref()], input).stdout)
}

fn types_by_wc(files: &BTreeSet<PathBuf>) -> BTreeMap<Option<String>, Counts> {
    let mut types = BTreeMap::new();
    for file in files {
        let content = content(file);
        let counts = [1, wc("-c", &content), wc("-l", &content), words(&content)];
        add(types.entry(type_of(file)).or_default(), &counts);
    }
    types
}

fn add(sum: &mut Counts, counts: &Counts) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// Returns the part after the last dot of a name, unless that dot is its first character.
fn type_of(file: &Path) -> Option<String> {
    let name = file.file_name().expect("a file has a name").to_string_lossy();
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_owned())
}

fn groups_by_cmp(files: &BTreeSet<PathBuf>) -> BTreeSet<BTreeSet<PathBuf>> {
    let mut groups: Vec<BTreeSet<PathBuf>> = Vec::new();
    for file in files {
        let is_same =
            |other: &PathBuf| run("cmp", &["-s".as_ref(), file.as_os_str(), other.as_os_str()], &[]).status.success();
        match groups.iter_mut().find(|group| group.first().is_some_and(is_same)) {
            Some(group) => drop(group.insert(file.clone())),
            None => groups.push([file.clone()].into()),
        }
    }
    groups.into_iter().filter(|group| group.len() > 1).collect()
}
