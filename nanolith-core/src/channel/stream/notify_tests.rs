//! Loom tests of `Notify`, the wake-up between the two ends of a stream, in every interleaving.
//! Without loom they run on threads.

use super::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Wake,
};

#[cfg(loom)]
use loom::thread;
#[cfg(not(loom))]
use std::thread;

fn check(f: impl Fn() + Sync + Send + 'static) {
    #[cfg(loom)]
    loom::model(f);
    #[cfg(not(loom))]
    (0..if cfg!(miri) { 4 } else { 200 }).for_each(|_| f());
}

/// A waker that records whether it was used.
#[derive(Default)]
struct FlagWaker(AtomicBool);

impl Wake for FlagWaker {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// An end's counter, published and read in the same way as the ring's.
struct Side {
    bell: Notify,
    done: AtomicU32,
}

impl Side {
    fn new() -> Arc<Self> {
        Arc::new(Self { bell: Notify::new(), done: AtomicU32::new(0) })
    }

    fn act(&self, done: u32) {
        self.done.store(done, Ordering::Release);
        self.bell.notify();
    }

    fn has_done(&self, done: u32) -> bool {
        self.done.load(Ordering::Acquire) >= done
    }
}

#[test]
fn receiver_that_registers_and_sees_nothing_is_woken() {
    check(|| {
        let side = Side::new();
        let acts = side.clone();
        let other = thread::spawn(move || acts.act(1));
        let flag = Arc::new(FlagWaker::default());
        side.bell.register(&Waker::from(flag.clone()));
        let seen = side.has_done(1);
        other.join().expect("no panic");
        assert!(seen || flag.0.load(SeqCst), "it would sleep for ever");
    });
}

#[test]
fn receiver_that_registers_again_is_woken_for_later_items() {
    check(|| {
        let side = Side::new();
        let acts = side.clone();
        let other = thread::spawn(move || (1..=2).for_each(|done| acts.act(done)));
        let mut woken = true;
        for done in 1..=2 {
            let flag = Arc::new(FlagWaker::default());
            side.bell.register(&Waker::from(flag.clone()));
            if !side.has_done(done) {
                // It sleeps. In this test it continues only when the other thread is done, which
                // must have woken it.
                other.join().expect("no panic");
                woken = flag.0.load(SeqCst);
                break;
            }
        }
        assert!(woken, "it would sleep for ever");
    });
}

#[test]
fn unregistered_receiver_is_not_woken() {
    check(|| {
        let side = Side::new();
        let flag = Arc::new(FlagWaker::default());
        side.act(1);
        side.bell.register(&Waker::from(flag.clone()));
        assert!(!flag.0.load(SeqCst));
        side.act(2);
        assert!(flag.0.swap(false, SeqCst));
        side.act(3);
        assert!(!flag.0.load(SeqCst), "once for each time it asks");
    });
}
