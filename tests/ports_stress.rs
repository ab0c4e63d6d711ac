//! Tests of ports under load: no message is lost, doubled or out of order, for each bound and each
//! time of a close.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::Wait;
use nanolith::port::{self, Port};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

const MESSAGES: u64 = 20_000;

fn connected<T>(bound: Option<usize>) -> (Port<T, T>, Port<T, T>) {
    match bound {
        None => port::pair(),
        Some(0) => port::rendezvous(),
        Some(bound) => port::bounded(bound),
    }
}

const BOUNDS: [Option<usize>; 4] = [Some(0), Some(1), Some(16), None];

#[test]
fn both_directions_arrive_whole_and_in_order() {
    for bound in BOUNDS {
        let (ours, theirs) = connected::<u64>(bound);
        thread::scope(|scope| {
            for port in [&ours, &theirs] {
                scope.spawn(|| (0..MESSAGES).for_each(|n| port.send(n).wait().expect("it is heard")));
                scope.spawn(|| assert!(port.iter().take(20_000).eq(0..MESSAGES)));
            }
        });
        assert!(ours.is_empty() && theirs.is_empty());
    }
}

#[test]
fn blocking_and_awaiting_ends_exchange_messages() {
    for bound in BOUNDS {
        let (ours, theirs) = connected::<u64>(bound);
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..MESSAGES / 2 {
                    ours.send(2 * n).wait().expect("it is heard");
                    pollster::block_on(ours.send(2 * n + 1)).expect("it is heard");
                }
            });
            for n in 0..MESSAGES {
                let received = if n % 3 == 0 { theirs.recv().wait() } else { pollster::block_on(theirs.recv()) };
                assert_eq!(received, Ok(n));
            }
        });
    }
}

#[test]
fn senders_and_receivers_of_one_port_share_all_messages() {
    for bound in BOUNDS {
        let (ours, theirs) = connected::<u64>(bound);
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let received: u64 = theirs.iter().sum();
                    sum.fetch_add(received, Ordering::Relaxed);
                });
            }
            let ours = Arc::new(ours);
            for _ in 0..3 {
                let ours = ours.clone();
                scope.spawn(move || (1..=MESSAGES / 4).for_each(|n| ours.send(n).wait().expect("it is heard")));
            }
        });
        assert_eq!(sum.into_inner(), 3 * (MESSAGES / 4) * (MESSAGES / 4 + 1) / 2);
    }
}

#[test]
fn selective_receivers_lose_no_message() {
    for bound in BOUNDS {
        let (ours, theirs) = connected::<u64>(bound);
        thread::scope(|scope| {
            for own in 0..2 {
                let theirs = &theirs;
                scope.spawn(move || {
                    for n in 0..2_000 {
                        assert_eq!(theirs.wait_for(|found| found % 2 == own).wait(), Ok(2 * n + own));
                    }
                });
            }
            (0..4_000).for_each(|n| ours.send(n).wait().expect("it is heard"));
        });
        assert!(theirs.is_empty());
    }
}

/// Counts the messages that exist, wherever they are.
struct Counted(u64, Arc<AtomicU64>);

impl Counted {
    fn new(number: u64, alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(number, alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sends until the port is closed. Returns the number of messages sent, in order from 0.
fn send_until_closed(port: &Port<Counted, Counted>, most: u64, alive: &Arc<AtomicU64>) -> u64 {
    for n in 0..most {
        if let Err(refused) = port.send(Counted::new(n, alive)).wait() {
            assert_eq!(refused.into_inner().0, n, "the very message comes back");
            return n;
        }
    }
    most
}

fn receive_some(port: &Port<Counted, Counted>, most: u64) -> u64 {
    let mut received = 0;
    for (expected, message) in (0..most).zip(port) {
        assert_eq!(message.0, expected);
        received += 1;
    }
    received
}

#[test]
fn close_at_any_moment_loses_no_message() {
    let alive = Arc::default();
    for round in 0..400 {
        let bound = BOUNDS[round % BOUNDS.len()];
        let (ours, theirs) = connected::<Counted>(bound);
        let (to_send, to_receive) = (fastrand::u64(0..200), fastrand::u64(0..200));
        thread::scope(|scope| {
            // The receiver closes its end after some messages. If the sender ends first, it closes
            // its own end.
            let receiver = scope.spawn(move || receive_some(&theirs, to_receive));
            let sent = send_until_closed(&ours, to_send, &alive);
            assert!(ours.is_closed() || sent == to_send);
            drop(ours);
            let received = receiver.join().expect("it receives");
            assert!(received <= sent, "{received} of {sent} with {bound:?}");
            if received < to_receive {
                assert_eq!(received, to_send, "the sender's end came first, so all arrived");
            }
            if let Some(bound) = bound {
                assert!(sent - received <= bound as u64, "{sent} sent, {received} received, {bound}");
            }
        });
        assert_eq!(alive.load(Ordering::SeqCst), 0, "none is left anywhere");
    }
}

#[test]
fn handlers_that_come_and_go_lose_no_message() {
    let (ours, theirs) = port::bounded::<u64, ()>(16);
    let heard = Arc::new(AtomicU64::new(0));
    let received = thread::scope(|scope| {
        let sender = scope.spawn(move || (1..=MESSAGES).for_each(|n| ours.send(n).wait().expect("it is heard")));
        while !sender.is_finished() {
            let sum = heard.clone();
            let listening = theirs.on_message(move |n| {
                sum.fetch_add(n, Ordering::SeqCst);
            });
            thread::yield_now();
            drop(listening);
            heard.fetch_add(theirs.try_iter().take(8).sum(), Ordering::SeqCst);
        }
        theirs.iter().sum::<u64>()
    });
    heard.fetch_add(received, Ordering::SeqCst);
    // A handler may still run for the last message that it took.
    while heard.load(Ordering::SeqCst) < MESSAGES * (MESSAGES + 1) / 2 {
        thread::yield_now();
    }
    assert_eq!(heard.load(Ordering::SeqCst), MESSAGES * (MESSAGES + 1) / 2);
}
