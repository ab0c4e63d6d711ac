//! Tests of the races between the thread that sends a call and the thread of the pool.

use super::{
    builder::Config,
    child::{Child, Sent},
    children::{Bounds, Children},
    link::{ChildEvent, Link, Running, Stage},
    restarts::RestartStep,
    running_task::{Answer, RunningTask, Started},
    stderr::StderrTail,
};
use crate::{
    sys::{self, ChildSocket, Spawned},
    wire::{self, Frame, FrameReader, Kind, Report},
};
use nanolith::executor::{NotifyProgress, StopReason, WaitHelper};
use std::{
    sync::{Arc, mpsc},
    task::Context,
    thread,
    time::{Duration, Instant},
};

/// A task that is not asked to stop.
struct Ignored;

impl RunningTask for Ignored {
    fn finish(self: Box<Self>, _: Answer) {}

    fn poll_stop(&mut self, _: &mut Context<'_>) -> Option<StopReason> {
        None
    }

    fn progress(&self, _: Report) -> NotifyProgress {
        unreachable!("no child reports")
    }

    fn help_waits(&self, _: Arc<dyn WaitHelper>) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

const BOUNDS: Bounds = Bounds { min: 0, max: 1, has_spare: false };

/// Returns a child that does nothing, with the other end of its socket.
fn child(id: u64) -> (Child, ChildSocket) {
    let (Spawned { process, socket, lifeline, stderr }, theirs) = sys::idle_child();
    let (stderr, link) = (StderrTail::new(stderr, false), Link::new(&Config::default()));
    (Child::new(id, process, (socket, lifeline), stderr, FrameReader::new(1024, false), link), theirs)
}

fn started() -> Started {
    Started {
        frame: Arc::new(vec![0; 40]),
        kind: Kind::CALL,
        set: 0,
        left: None,
        wait: None,
        task: Box::new(Ignored),
        moves: 0,
    }
}

#[cfg(unix)]
fn is_process(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("it is an id");
    rustix::process::test_kill_process(pid).is_ok()
}

#[test]
fn dead_child_gives_the_call_back() {
    let (child, _theirs) = child(1);
    child.link().stage = Stage::Serving;
    assert!(matches!(child.send(started(), false), Ok(Sent { call: 1, .. })));
    child.link().stage = Stage::Ending; // the pool's thread saw its end
    assert!(child.send(started(), false).is_err());
    child.link().stage = Stage::Serving;
    child.link().is_dead = true; // its process has ended, and its socket has not
    assert!(child.send(started(), false).is_err());
}

#[test]
fn call_to_a_child_that_does_not_read_is_sent_in_part() {
    let (child, theirs) = child(1);
    child.link().stage = Stage::Serving;
    let (sender, sent) = mpsc::channel();
    let sending = thread::spawn(move || {
        let call = Started { frame: Arc::new(vec![0; 64 << 20]), ..started() };
        let _ = sender.send(child.send(call, false).map(|sent| sent.is_whole).ok());
    });
    let is_whole = sent.recv_timeout(Duration::from_secs(20)).expect("the thread does not block");
    assert_eq!(is_whole, Some(false));
    drop(theirs);
    sending.join().expect("it does not panic");
}

#[test]
fn call_goes_ahead_of_a_short_call_only() {
    let (child, _theirs) = child(1);
    child.link().stage = Stage::Serving;
    assert!(child.send(started(), true).is_err(), "the child is idle");
    assert!(child.send(started(), false).is_ok());
    assert!(child.send(started(), true).is_err(), "the child is not known to run short calls");
}

/// Of a service that gets a new state after a panic, a call does not go ahead of one that may panic.
#[test]
fn no_call_goes_ahead_if_they_are_sent_one_by_one() {
    for is_one_by_one in [false, true] {
        let (child, _theirs) = child(1);
        let mut link = child.link();
        link.stage = Stage::Serving;
        if is_one_by_one {
            link.send_one_by_one();
        }
        // Calls that are answered at once are short, unless this thread loses its processor.
        let goes_ahead = (0..200).any(|_| {
            let call = link.next_call();
            link.add(started(), call);
            let room = link.room_ahead();
            assert!(matches!(link.accept(frame(Kind::OUTPUT, call)), ChildEvent::Answer(..)));
            room > 0
        });
        assert_eq!(goes_ahead, !is_one_by_one);
    }
}

#[test]
fn call_sent_after_the_request_is_not_given_back() {
    let (child, _theirs) = child(1);
    let mut link = child.link();
    link.stage = Stage::Serving;
    for _ in 0..3 {
        let call = link.next_call();
        link.add(started(), call);
    }
    assert_eq!(link.revoke(), 3);
    for call in 1..=3 {
        assert!(matches!(link.accept(frame(Kind::OUTPUT, call)), ChildEvent::Answer(..)));
    }
    let call = link.next_call();
    link.add(started(), call);
    // The child had begun its last call when it read the request.
    assert!(matches!(link.accept(frame(Kind::REVOKED, 4)), ChildEvent::Revoked(back) if back.is_empty()));
    assert!(matches!(link.accept(frame(Kind::OUTPUT, 4)), ChildEvent::Answer(..)));
}

#[test]
fn calls_that_have_not_begun_are_given_back() {
    let (child, _theirs) = child(1);
    let mut link = child.link();
    link.stage = Stage::Serving;
    for _ in 0..4 {
        let call = link.next_call();
        link.add(started(), call);
    }
    link.revoke();
    let ChildEvent::Revoked(back) = link.accept(frame(Kind::REVOKED, 2)) else { panic!("it was asked for") };
    assert_eq!(back.iter().map(|running| running.call).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(matches!(link.accept(frame(Kind::REVOKED, 2)), ChildEvent::Malformed(_)), "it was asked for once");
}

fn frame(kind: u8, call: u64) -> Frame {
    let mut bytes = wire::start_frame();
    wire::finish_frame(&mut bytes, kind, call);
    Frame::whole(&bytes).expect("it is a frame")
}

#[test]
fn message_that_moves_stays_a_message() {
    let (mut link, mut message) = (Link::new(&Config::default()), started());
    message.kind = Kind::MESSAGE;
    link.stage = Stage::Serving;
    let call = link.next_call();
    link.add(message, call);
    let mut moved = link.take_remains(true).unread.and_then(Running::into_started).expect("it was not read");
    moved.address(7);
    let frame = Frame::whole(&moved.frame).expect("it is whole");
    assert_eq!((frame.kind, frame.id), (Kind::MESSAGE, 7));
}

#[test]
#[cfg(unix)]
fn dropped_child_leaves_no_zombie() {
    let (child, _theirs) = child(1);
    let pid = child.pid;
    assert!(is_process(pid));
    drop(child);
    assert!(!is_process(pid));
}

#[test]
fn reaped_child_is_not_killed_again() {
    let (child, _theirs) = child(1);
    assert!(child.reap().is_some());
    assert!(child.reap().is_none());
    child.kill(); // another process may have the id now
}

#[test]
fn ended_child_is_seen_before_it_is_reaped() {
    let (child, _theirs) = child(1);
    assert!(!child.has_ended());
    child.kill();
    let start = Instant::now();
    while !child.has_ended() {
        assert!(start.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.has_ended(), "the look does not reap it");
    let status = child.reap().expect("it is reaped once");
    assert_eq!((status.success(), sys::signal(status)), (false, cfg!(unix).then_some(9)));
    assert!(!child.has_ended(), "another process may have the id now");
}

#[test]
fn earlier_look_survives_a_later_one() {
    let (child, _theirs) = child(1);
    child.look_by(5);
    child.look_by(9);
    assert_eq!(child.due(), 5);
    child.clear_due();
    child.look_by(9);
    assert_eq!(child.due(), 9);
}

#[test]
fn removed_child_does_not_become_idle() {
    let (child, _theirs) = child(1);
    let child = Arc::new(child);
    let mut children = Children::default();
    children.add(child.clone());
    children.on_ready(child.id);
    children.put_idle(child.clone());
    let taken = children.take_idle(1).expect("it is idle");
    children.remove(child.id);
    children.put_idle(taken);
    assert!(children.take_idle(1).is_none());
}

#[test]
fn moment_of_next_start_does_not_stay() {
    let mut children = Children::default();
    let now = Instant::now();
    assert!(!children.on_start_failure(5, now));
    assert_eq!(children.missing(1, BOUNDS, now), 0, "it is too early");
    let then = children.next_start().expect("a start has to wait");
    assert_eq!(children.missing(0, BOUNDS, then), 0, "no call waits meanwhile");
    assert_eq!(children.next_start(), None, "the pool's thread would not sleep");
    assert_eq!(children.missing(1, BOUNDS, then + Duration::from_secs(1)), 1);
}

/// Adds a child, and returns it.
fn add(children: &mut Children) -> Arc<Child> {
    let child = Arc::new(child(children.next_id()).0);
    children.add(child.clone());
    child
}

#[test]
fn replacement_of_one_restart_is_old_for_the_next() {
    let mut children = Children::default();
    let first = add(&mut children);
    children.on_ready(first.id); // and has a call
    let earlier = children.begin_restart();
    assert!(matches!(children.next_restart_step(), RestartStep::Start));
    let second = add(&mut children);
    children.restarts.set_replacement(second.id);
    assert!(matches!(children.next_restart_step(), RestartStep::Wait), "it starts");
    children.on_ready(second.id);
    children.put_idle(second.clone());
    let later = children.begin_restart();

    assert!(matches!(children.next_restart_step(), RestartStep::Retire(child) if child.id == first.id));
    assert!(matches!(children.next_restart_step(), RestartStep::Wait), "the child is not gone");
    children.remove(first.id);
    assert!(matches!(children.next_restart_step(), RestartStep::Ended));
    assert!(earlier.outcome.get().is_some() && later.outcome.get().is_none());
    assert!(matches!(children.next_restart_step(), RestartStep::Start));
    let third = add(&mut children);
    children.restarts.set_replacement(third.id);
    children.on_ready(third.id);
    assert!(matches!(children.next_restart_step(), RestartStep::Retire(child) if child.id == second.id));
    children.remove(second.id);
    assert!(matches!(children.next_restart_step(), RestartStep::Ended));
    assert!(later.outcome.get().is_some());
}

#[test]
fn child_at_its_limit_of_work_leaves_others_idle() {
    let mut children = Children::default();
    let both = [add(&mut children), add(&mut children)];
    for child in &both {
        children.on_ready(child.id);
        children.put_idle(child.clone());
    }
    let taken = children.take_idle(1).expect("no child is at work");
    assert!(children.take_idle(1).is_none(), "one is at work");
    children.on_ending(taken.id);
    children.put_idle(taken.clone());
    assert!(children.take_idle(1).is_some_and(|child| child.id != taken.id), "that one ends");
}
