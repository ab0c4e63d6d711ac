//! Tests of the poller of this system. Under `--cfg nanolith_poll` they test the other one.

use super::{Interest, Poller, Ready};
use crate::sys::{self, ChildSocket};
use std::{
    io::{Read, Write},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long an event may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn poller() -> Poller {
    Poller::new().expect("it is made")
}

fn socket_pair() -> (Arc<ChildSocket>, ChildSocket) {
    let (ours, theirs) = sys::stream_pair().expect("a pair of sockets");
    (Arc::new(ours), theirs)
}

/// Returns the two ends of a pipe, or of what stands for one: `poll` of Windows takes sockets alone.
#[cfg(unix)]
fn pipe() -> (Arc<std::fs::File>, impl Sized) {
    let (read, write) = sys::pipe().expect("a pipe");
    (Arc::new(read.into()), write)
}

#[cfg(windows)]
fn pipe() -> (Arc<ChildSocket>, impl Sized) {
    socket_pair()
}

fn wait(poller: &Poller, limit: Duration) -> Vec<Ready> {
    let mut ready = Vec::new();
    poller.wait(Some(limit), &mut ready);
    ready
}

fn tokens(poller: &Poller) -> Vec<u64> {
    let mut tokens: Vec<_> = wait(poller, Duration::ZERO).into_iter().map(|ready| ready.token).collect();
    tokens.sort_unstable();
    tokens
}

/// Calls `act` while another thread waits. Returns what that wait reports, and how long it took.
fn while_waiting(poller: &Poller, limit: Option<Duration>, act: impl FnOnce()) -> (Vec<Ready>, Duration) {
    thread::scope(|scope| {
        let start = Instant::now();
        let waiting = scope.spawn(|| {
            let mut ready = Vec::new();
            poller.wait(limit, &mut ready);
            if ready.is_empty() {
                poller.wait(Some(Duration::ZERO), &mut ready); // the first wait ended to renew itself
            }
            ready
        });
        thread::sleep(Duration::from_millis(20)); // mostly, the thread waits by then
        act();
        (waiting.join().expect("it does not panic"), start.elapsed())
    })
}

#[test]
fn notification_ends_a_wait_of_any_length() {
    let poller = poller();
    for limit in [Some(PATIENCE), Some(Duration::MAX), None] {
        let (ready, took) = while_waiting(&poller, limit, || poller.notify());
        assert!(ready.is_empty() && took < PATIENCE, "{limit:?}: {ready:?} after {took:?}");
    }
}

#[test]
fn notification_before_a_wait_ends_it_once() {
    let poller = poller();
    poller.notify();
    let start = Instant::now();
    wait(&poller, PATIENCE);
    assert!(start.elapsed() < PATIENCE);
    let start = Instant::now();
    wait(&poller, Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn descriptors_are_reported_by_their_interests() {
    let poller = poller();
    let (quiet, _theirs) = socket_pair();
    let (full, mut theirs) = socket_pair();
    theirs.write_all(b"x").expect("it is written");
    poller.add(&quiet, 1, Interest::ReadWrite).expect("it is added");
    poller.add(&full, 2, Interest::Read).expect("it is added");
    assert_eq!(tokens(&poller), [1, 2]);
    poller.modify(&quiet, 1, Interest::Read).expect("it is there");
    assert_eq!(tokens(&poller), [2]);
    poller.modify(&full, 2, Interest::End).expect("it is there");
    assert!(tokens(&poller).is_empty());
    poller.remove(&full, 2);
    assert!(poller.modify(&full, 2, Interest::Read).is_err());
    assert!(tokens(&poller).is_empty());
}

#[test]
fn new_interest_holds_in_a_wait_that_goes_on() {
    let poller = poller();
    let (ours, mut theirs) = socket_pair();
    theirs.write_all(b"x").expect("it is written");
    poller.add(&ours, 7, Interest::End).expect("it is added");
    let watch = || poller.modify(&ours, 7, Interest::Read).expect("it is there");
    let (ready, took) = while_waiting(&poller, Some(PATIENCE), watch);
    assert!(took < PATIENCE, "{took:?}");
    assert!(matches!(ready[..], [Ready { token: 7, read: true, write: false, .. }]), "{ready:?}");
}

#[test]
fn new_descriptor_is_seen_by_a_wait_that_goes_on() {
    let poller = poller();
    let (ours, mut theirs) = socket_pair();
    theirs.write_all(b"x").expect("it is written");
    let add = || poller.add(&ours, 7, Interest::Read).expect("it is added");
    let (ready, took) = while_waiting(&poller, Some(PATIENCE), add);
    assert!(took < PATIENCE && ready.len() == 1, "{ready:?} after {took:?}");
}

#[test]
fn ends_can_be_read() {
    let poller = poller();
    let (socket, theirs) = socket_pair();
    let (pipe, write) = pipe();
    poller.add(&socket, 1, Interest::Read).expect("it is added");
    poller.add(&pipe, 2, Interest::Read).expect("it is added");
    assert!(tokens(&poller).is_empty());
    drop((theirs, write));
    assert!(wait(&poller, PATIENCE).iter().all(|ready| ready.read));
    assert_eq!(tokens(&poller), [1, 2]);
    assert_eq!((&*pipe).read(&mut [0]).expect("it has ended"), 0);
}

#[test]
fn closed_descriptor_is_not_reported() {
    let poller = poller();
    let (ours, theirs) = socket_pair();
    poller.add(&ours, 1, Interest::Read).expect("it is added");
    drop(theirs);
    assert_eq!(tokens(&poller), [1]);
    drop(ours);
    assert!(tokens(&poller).is_empty());
}
