//! Children that speak the protocol wrongly. The test program is its own child: instead of serving,
//! it misbehaves as the environment variable `HOSTILE` says.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it
#![cfg_attr(windows, allow(dead_code, unused_imports))] // some tests are for systems with signals and `/proc`

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::messenger::LagPolicy;
use nanolith::{
    TaskSet,
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{ChildCrash, ProcessPool, ProcessPoolBuilder, ProcessService, Role, Stdout};
use processes::{KILLED, is_process};
#[cfg(unix)]
use rustix::net::{RecvFlags, recv};
use serde::Serialize;
use std::{
    env,
    error::Error,
    fs,
    io::{self, Read, Write},
    net::Shutdown,
    process, thread,
    time::{Duration, Instant},
};

/// The environment variable that names the behaviour of a child.
const HOSTILE: &str = "HOSTILE";
/// The environment variable that names a file of a test.
const MARKER: &str = "HOSTILE_MARKER";
const READY: u8 = 3;
const OUTPUT: u8 = 4;
const FAILED: u8 = 5;
const PROGRESS: u8 = 10;
const LISTENING: u8 = 11;
const LAUNCHED: u8 = 9;
const EVENT: u8 = 12;
const UNKNOWN: u8 = 200;

pub struct Geometry;

#[define(wire)]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn repeat(text: String) -> String {
        text
    }
}

/// A set whose services send events.
pub struct Tally;

#[define(wire, outbox = String)]
impl Tally {
    #[init]
    fn start() -> Self {
        Self
    }

    pub fn total(&self) -> u64 {
        9
    }
}

// ----- the child

/// The connection of a child that does not serve.
struct Connection {
    #[cfg(unix)]
    socket: std::os::unix::net::UnixStream,
    #[cfg(windows)]
    socket: std::net::TcpStream,
    #[cfg(windows)]
    _lifeline: std::net::TcpStream,
}

impl Connection {
    /// Takes the socket, and reads the parent's first frame.
    #[cfg(unix)]
    fn open() -> io::Result<Self> {
        use std::os::fd::AsFd;
        let mut connection = Self { socket: io::stdin().as_fd().try_clone_to_owned()?.into() };
        connection.receive()?;
        Ok(connection)
    }

    /// Connects to the parent with the port and the secret that are on the standard input.
    #[cfg(windows)]
    fn open() -> io::Result<Self> {
        let mut given = Vec::new();
        io::stdin().lock().read_to_end(&mut given)?;
        let port = u16::from_le_bytes([given[0], given[1]]);
        let connect = |purpose| {
            let mut socket = std::net::TcpStream::connect(("127.0.0.1", port))?;
            socket.write_all(&[&given[2..18], &[purpose]].concat()).map(|()| socket)
        };
        let (mut socket, lifeline) = (connect(1)?, connect(2)?);
        thread::sleep(10 * MILLISECOND); // mostly, the parent has read both by then
        drop(std::net::TcpStream::connect(("127.0.0.1", port))?);
        socket.read_exact(&mut [0])?;
        Ok(Self { socket, _lifeline: lifeline })
    }

    /// Receives a frame, and returns the number of its call.
    fn receive(&mut self) -> io::Result<u64> {
        let mut head = [0; 13];
        self.socket.read_exact(&mut head)?;
        let rest = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize - 9;
        self.socket.read_exact(&mut vec![0; rest])?;
        Ok(u64::from_le_bytes(head[5..].try_into().expect("it is eight bytes")))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Says that the child serves, as the parent expects it, and receives a call.
    fn receive_call(&mut self) -> io::Result<u64> {
        self.send(&frame(READY, 0, &ready(Geometry::FINGERPRINT)))?;
        self.receive()
    }
}

#[derive(Serialize)]
struct Ready {
    sets: Vec<(&'static str, u64)>,
}

fn ready(fingerprint: u64) -> Vec<u8> {
    let sets = vec![(Geometry::IDENTIFIER, fingerprint), (Tally::IDENTIFIER, Tally::FINGERPRINT)];
    rmp_serde::to_vec_named(&Ready { sets }).expect("it is encoded")
}

fn frame(kind: u8, call: u64, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(9 + body.len()).expect("it is small");
    [&len.to_le_bytes(), &[kind][..], &call.to_le_bytes(), body].concat()
}

/// The start of a frame that claims to have this length.
fn claim(len: u32, kind: u8, call: u64) -> Vec<u8> {
    [&len.to_le_bytes(), &[kind][..], &call.to_le_bytes(), b"some of it"].concat()
}

fn output(output: &GeometryOutput) -> Vec<u8> {
    rmp_serde::to_vec_named(output).expect("it is encoded")
}

/// An event.
fn text(text: &str) -> Vec<u8> {
    rmp_serde::to_vec_named(text).expect("it is encoded")
}

/// An output of `repeat` whose text claims a length of 4 GiB.
fn huge_text() -> Vec<u8> {
    let mut bytes = output(&GeometryOutput::Repeat(String::new()));
    bytes.pop();
    bytes.extend([0xdb, 0xff, 0xff, 0xff, 0xff]);
    bytes
}

fn random_bytes() -> Vec<u8> {
    let random = (0..10_000).map(|_| fastrand::u8(..));
    // A length above the limit. Within it, a frame could be on its way.
    [0xff; 4].into_iter().chain(random).collect()
}

fn deep() -> Vec<u8> {
    vec![0x91; 100_000] // an array of one array of one array ..
}

fn misbehave(how: &str) -> io::Result<()> {
    let mut parent = Connection::open()?;
    match how {
        "random bytes" => parent.send(&random_bytes())?,
        "huge frame" => parent.send(&claim(u32::MAX, READY, 0))?,
        "short frame" => parent.send(&[3, 0, 0, 0, 1, 2, 3])?,
        "unknown kind" => parent.send(&frame(UNKNOWN, 0, &[]))?,
        "output first" => parent.send(&frame(OUTPUT, 1, &output(&GeometryOutput::Add(9))))?,
        "progress first" => parent.send(&frame(PROGRESS, 0, &[0; 16]))?,
        "event first" => parent.send(&frame(EVENT, 0, &text("9")))?,
        "other version" => parent.send(&frame(READY, 0, &ready(1)))?,
        "deep ready" => parent.send(&frame(READY, 0, &deep()))?,
        "ready without sets" => parent.send(&frame(READY, 0, &[0x80]))?,
        "close" => {
            parent.socket.shutdown(Shutdown::Both)?;
        }
        "flood" => loop {
            parent.send(&random_bytes())?;
        },
        "die before reading" => return die_before_reading(&mut parent),
        "die after ready" => return parent.send(&frame(READY, 0, &ready(Geometry::FINGERPRINT))),
        _ => misbehave_in_call(how, &mut parent)?,
    }
    thread::sleep(60 * SECOND); // it lives on until it is killed
    Ok(())
}

#[cfg(windows)]
fn die_before_reading(_: &mut Connection) -> io::Result<()> {
    Err(io::Error::other("the parent does not see what a child has not read"))
}

/// The first child dies when a call has arrived, and does not read it. Later ones do not answer.
#[cfg(unix)]
fn die_before_reading(parent: &mut Connection) -> io::Result<()> {
    if fs::File::create_new(env::var(MARKER).map_err(io::Error::other)?).is_ok() {
        parent.send(&frame(READY, 0, &ready(Geometry::FINGERPRINT)))?;
        recv(&parent.socket, &mut [0_u8; 1], RecvFlags::PEEK)?;
        return Ok(());
    }
    thread::sleep(60 * SECOND);
    Ok(())
}

fn misbehave_in_service(how: &str, parent: &mut Connection) -> io::Result<()> {
    parent.send(&frame(READY, 0, &ready(Geometry::FINGERPRINT)))?;
    parent.receive()?; // the arguments of `#[init]`
    if how == "service: event while it launches" {
        parent.send(&frame(EVENT, 0, &[0xc1]))?;
    }
    parent.send(&frame(LAUNCHED, 0, &[]))?;
    parent.receive()?;
    match how {
        "service: no event" => parent.send(&frame(EVENT, 0, &[0xc1; 50])),
        "service: empty event" => parent.send(&frame(EVENT, 0, &[])),
        "service: deep event" => parent.send(&frame(EVENT, 0, &deep())),
        "service: event and more" => parent.send(&frame(EVENT, 0, &[&text("9")[..], &[9]].concat())),
        "service: huge event" => parent.send(&frame(EVENT, 0, &[0xdb, 0xff, 0xff, 0xff, 0xff])),
        "service: event flood" => {
            let events = frame(EVENT, 0, &text(&"x".repeat(10_000))).repeat(100);
            loop {
                parent.send(&events)?;
            }
        }
        _ => Err(io::Error::other("there is no such behaviour")),
    }
}

fn misbehave_in_call(how: &str, parent: &mut Connection) -> io::Result<()> {
    if how.starts_with("service") {
        return misbehave_in_service(how, parent);
    }
    let call = parent.receive_call()?;
    match how {
        "call: random bytes" => parent.send(&random_bytes()),
        "call: huge frame" => parent.send(&claim(u32::MAX, OUTPUT, call)),
        "call: long frame" => parent.send(&claim(1_000_000_000, OUTPUT, call)),
        "call: unknown kind" => parent.send(&frame(UNKNOWN, call, &[])),
        "call: listening" => parent.send(&frame(LISTENING, 0, &[])),
        "call: event" => parent.send(&frame(EVENT, call, &text("9"))),
        "call: other number" => parent.send(&frame(OUTPUT, call + 1, &output(&GeometryOutput::Add(9)))),
        "call: progress of other call" => parent.send(&frame(PROGRESS, call + 1, &[0; 16])),
        "call: short progress" => parent.send(&frame(PROGRESS, call, &[0; 15])),
        "call: long progress" => parent.send(&frame(PROGRESS, call, &[0; 17])),
        "call: progress after answer" => {
            let answer = frame(OUTPUT, call, &output(&GeometryOutput::Add(9)));
            parent.send(&[&answer[..], &frame(PROGRESS, call, &[0; 16])].concat())
        }
        "call: progress flood" => loop {
            parent.send(&frame(PROGRESS, call, &[0; 16]))?;
        },
        "call: second ready" => parent.send(&frame(READY, 0, &ready(Geometry::FINGERPRINT))),
        "call: no output" => parent.send(&frame(OUTPUT, call, &[0xc1; 50])),
        "call: output of other task" => parent.send(&frame(OUTPUT, call, &output(&GeometryOutput::Repeat("9".into())))),
        "call: deep output" => parent.send(&frame(OUTPUT, call, &deep())),
        "call: huge text" => parent.send(&frame(OUTPUT, call, &huge_text())),
        "call: deep failure" => parent.send(&frame(FAILED, call, &deep())),
        "call: empty failure" => parent.send(&frame(FAILED, call, &[])),
        "call: close" => parent.socket.shutdown(Shutdown::Both),
        "call: half a frame" => {
            parent.send(&claim(100, OUTPUT, call))?;
            process::exit(4)
        }
        "call: two answers" => {
            let answer = frame(OUTPUT, call, &output(&GeometryOutput::Add(9)));
            parent.send(&[&answer[..], &answer].concat())
        }
        "call: flood" => loop {
            parent.send(&frame(UNKNOWN, call, &random_bytes()))?;
        },
        _ => Err(io::Error::other("there is no such behaviour")),
    }
}

// ----- the parent

fn pool(how: &str, set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = ProcessPool::builder().max_children(1).max_start_failures(2).max_message(1 << 30);
    set(builder.env(HOSTILE, how).pass_stderr(false).stdout(Stdout::Null)).build().expect("the settings are right")
}

/// Returns the error of a call. Fails if the call hangs.
fn error_of<T: std::fmt::Debug>(outcome: Result<T, CallError>) -> CallError {
    match outcome {
        Err(CallError::TimedOut(_) | CallError::Killed(_)) => panic!("the call hangs"),
        Err(error) => error,
        Ok(output) => panic!("it has an output: {output:?}"),
    }
}

/// Waits until all children that a pool ever had are gone.
fn wait_for_end(pids: &[u32]) {
    let start = Instant::now();
    while let Some(pid) = pids.iter().find(|pid| is_process(**pid)) {
        assert!(start.elapsed() < 10 * SECOND, "process {pid} is alive");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Makes a call to children that misbehave before they serve. Its error contains the text.
fn expect_at_start(how: &str, text: &str) {
    let pool = pool(how, |set| set);
    let error = error_of(Geometry::on(&pool).add(4, 5).timeout(20 * SECOND).wait());
    assert!(matches!(error, CallError::NotStarted(..)), "{how}: {error}");
    assert!(error.to_string().contains(text), "{how}: {error}");
    pool.closed().wait();
    assert_eq!(pool.info().in_flight, 0);
}

/// Makes a call to a child that misbehaves in it. Its error contains the text. Returns the error.
fn expect_in_call(how: &str, text: &str) -> CallError {
    let pool = pool(how, |set| set);
    let error = error_of(Geometry::on(&pool).add(4, 5).timeout(20 * SECOND).wait());
    assert!(error.to_string().contains(text), "{how}: {error}");
    if let Some(crash) = error.source().and_then(|source| source.downcast_ref::<ChildCrash>()) {
        wait_for_end(&[crash.pid()]);
    }
    let pids = pool.pids();
    pool.terminate();
    pool.closed().wait();
    wait_for_end(&pids);
    assert_eq!(pool.info().in_flight, 0);
    error
}

fn wrong_first_message_ends_the_start() {
    expect_at_start("random bytes", "sent a malformed message: ");
    expect_at_start("huge frame", "sent a malformed message: a message is larger than the limit");
    expect_at_start("short frame", "sent a malformed message: a message cannot be decoded: a frame is shorter");
    expect_at_start("unknown kind", "sent a malformed message: an answer that was not asked for");
    expect_at_start("output first", "sent a malformed message: an answer that was not asked for");
    expect_at_start("event first", "sent a malformed message: an answer that was not asked for");
    expect_at_start("progress first", "sent a malformed message: an answer that was not asked for");
    expect_at_start("flood", "sent a malformed message: ");
}

fn wrong_sets_end_the_start() {
    expect_at_start("other version", "cannot serve: it serves other sets, or another version of them");
    expect_at_start("deep ready", "cannot serve: a message cannot be decoded");
    expect_at_start("ready without sets", "cannot serve: a message cannot be decoded");
}

fn closed_socket_of_living_child_ends_the_start() {
    expect_at_start("close", KILLED);
}

fn wrong_frame_ends_call_and_child() {
    for (how, text) in [
        ("call: random bytes", "sent a malformed message: "),
        ("call: huge frame", "sent a malformed message: a message is larger than the limit"),
        ("call: unknown kind", "sent a malformed message: an answer that was not asked for"),
        ("call: other number", "sent a malformed message: an answer that was not asked for"),
        ("call: progress of other call", "sent a malformed message: an answer that was not asked for"),
        ("call: short progress", "sent a malformed message: a report of another length"),
        ("call: long progress", "sent a malformed message: a report of another length"),
        ("call: progress flood", "sent a malformed message: more reports of progress than a task may send"),
        ("call: event", "sent a malformed message: an answer that was not asked for"),
        ("call: listening", "sent a malformed message: an answer that was not asked for"),
        ("call: second ready", "sent a malformed message: an answer that was not asked for"),
        ("call: flood", "sent a malformed message: an answer that was not asked for"),
        ("call: close", KILLED),
        ("call: half a frame", "exited with code 4"),
    ] {
        let error = expect_in_call(how, text);
        assert!(matches!(error, CallError::Crashed(_)), "{how}: {error}");
    }
}

fn tally(how: &str, lag: LagPolicy) -> ProcessService<Tally> {
    let service = ProcessService::builder(Tally::service().outbox(lag)).env(HOSTILE, how).pass_stderr(false);
    service.stdout(Stdout::Null).launch().wait().expect("it says that it has launched")
}

fn event_that_does_not_decode_kills_the_child() {
    let kinds = ["no event", "empty event", "deep event", "event and more", "huge event"];
    for how in kinds.map(|kind| format!("service: {kind}")) {
        let how = &how;
        let tally = tally(how, LagPolicy::default());
        let error = error_of(tally.total().timeout(20 * SECOND).wait());
        assert!(error.to_string().contains("sent a malformed message: a message cannot be decoded"), "{how}: {error}");
        let crash = error.source().and_then(|source| source.downcast_ref::<ChildCrash>()).expect("it is killed");
        wait_for_end(&[crash.pid()]);
    }
}

fn malformed_event_while_a_service_launches_kills_the_child() {
    let builder = ProcessService::builder(Tally::service()).env(HOSTILE, "service: event while it launches");
    // The child says that it has launched, and is killed before or after that arrives.
    match builder.pass_stderr(false).launch().wait() {
        Ok(tally) => assert!(tally.control().closed().wait_timeout(20 * SECOND).is_ok(), "it is not killed"),
        Err(error) => assert!(error.to_string().contains("malformed"), "{error}"),
    }
}

fn flood_of_events_takes_little_memory() {
    for lag in [LagPolicy::Wait(1_000), LagPolicy::DropOldest(1_000)] {
        let tally = tally("service: event flood", lag);
        let _events = tally.control().events();
        let before = memory_kib("VmHWM:");
        let outcome = tally.total().timeout(SECOND).wait();
        assert!(matches!(outcome, Err(CallError::Killed(_))), "{outcome:?}");
        let after = memory_kib("VmHWM:");
        assert!(after < before + 64 * 1024, "{before} KiB before, {after} KiB after");
    }
}

fn output_that_does_not_decode_ends_the_call() {
    for how in ["call: no output", "call: deep output", "call: huge text", "call: deep failure", "call: empty failure"]
    {
        let error = expect_in_call(how, "a message cannot be decoded");
        assert!(matches!(error, CallError::Rejected(..)), "{how}: {error}");
    }
}

fn output_of_another_task_ends_the_call() {
    let error = expect_in_call("call: output of other task", "");
    assert!(matches!(error, CallError::Lost(_)), "{error}");
}

fn second_answer_kills_the_child() {
    expect_death_after_answer("call: two answers");
}

fn progress_after_the_answer_kills_the_child() {
    expect_death_after_answer("call: progress after answer");
}

/// What follows an answer may not be taken for what belongs to a later call: the child dies.
fn expect_death_after_answer(how: &str) {
    let pool = pool(how, |set| set);
    let geometry = Geometry::on(&pool);
    let outcome = geometry.add(4, 5).timeout(20 * SECOND).wait();
    assert!(matches!(outcome, Ok(9)), "{outcome:?}");
    let pids = pool.pids();
    wait_for_end(&pids);
}

fn claimed_length_is_not_allocated() {
    let pool = pool("call: long frame", |set| set);
    let before = memory_kib("VmPeak:");
    let job = Geometry::on(&pool).add(4, 5).timeout(SECOND).submit();
    // The child never sends the rest, so the call ends by its time-out.
    assert!(matches!(job.wait(), Err(CallError::Killed(_))));
    let after = memory_kib("VmPeak:");
    assert!(after < before + 300 * 1024, "{before} KiB before, {after} KiB after");
}

/// Returns the most memory that this process had, in KiB: `VmHWM:` what was touched, `VmPeak:` all.
fn memory_kib(of: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there is /proc");
    let peak = status.lines().find_map(|line| line.strip_prefix(of)).expect("it has a size");
    peak.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

fn child_that_dies_after_ready_is_not_started_for_ever() {
    let pool = pool("die after ready", |set| set.min_children(1).max_start_failures(3));
    assert!(pool.closed().wait_timeout(20 * SECOND).is_ok(), "it does not give up: {:?}", pool.info());
    assert_eq!(pool.info().started, 3);
}

fn call_without_a_child_times_out() {
    let marker = env::temp_dir().join(format!("nanolith-hostile-{}", process::id()));
    let pool = pool("die before reading", |set| set.env(MARKER, &marker));
    let start = Instant::now();
    let outcome = Geometry::on(&pool).add(4, 5).timeout(500 * MILLISECOND).wait();
    assert!(matches!(outcome, Err(CallError::TimedOut(_))), "{outcome:?}");
    assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
    assert!(fs::remove_file(&marker).is_ok(), "the first child died with the call");
    pool.terminate();
}

/// The tests that read `/proc`, or need a socket that shows that a child had not read its call.
const LINUX_ALONE: [&str; 2] = ["claimed_length_is_not_allocated", "call_without_a_child_times_out"];
/// The test that reads `/proc` where there is one, and needs no more.
const WINDOWS_LACKS: &str = "flood_of_events_takes_little_memory";

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    if nanolith_process::role() == Role::Child {
        if let Ok(how) = env::var(HOSTILE) {
            let _ = misbehave(&how); // the parent closes the socket
            return;
        }
    }
    nanolith_process::init().serve::<(Geometry, Tally)>();
    let trials = trials! {
        wrong_first_message_ends_the_start
        wrong_sets_end_the_start
        closed_socket_of_living_child_ends_the_start
        wrong_frame_ends_call_and_child
        event_that_does_not_decode_kills_the_child
        malformed_event_while_a_service_launches_kills_the_child
        flood_of_events_takes_little_memory
        output_that_does_not_decode_ends_the_call
        output_of_another_task_ends_the_call
        second_answer_kills_the_child
        progress_after_the_answer_kills_the_child
        claimed_length_is_not_allocated
        child_that_dies_after_ready_is_not_started_for_ever
        call_without_a_child_times_out
    };
    let runs_here = |trial: &Trial| {
        (cfg!(target_os = "linux") || !LINUX_ALONE.contains(&trial.name()))
            && (cfg!(unix) || trial.name() != WINDOWS_LACKS)
    };
    let trials = trials.into_iter().filter(runs_here).collect();
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() }; // one measures memory
    libtest_mimic::run(&arguments, trials).exit();
}
