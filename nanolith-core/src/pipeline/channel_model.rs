//! A property test: the queue between two pipeline stages against a model that is a `VecDeque`. It
//! also checks that no end of the queue sleeps while it could go on.

use super::{Item, Reader, StageMetrics, Take, WakeTiming, Writer, link};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The nth writer pushes this number of items, or first pushes the items it has left.
    Push(usize, usize, bool),
    Ring,
    /// The nth reader takes items.
    Take(usize, usize, bool),
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, 1..9_usize, any::<bool>()).prop_map(|(who, count, later)| Step::Push(who, count, later)),
        2 => Just(Step::Ring),
        6 => (0..2_usize, 1..9_usize, any::<bool>()).prop_map(|(who, most, hold)| Step::Take(who, most, hold)),
        2 => Just(Step::Release),
    ]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2_048, failure_persistence: None, ..ProptestConfig::default() }
}

/// Whether the waker was called since its end went to sleep.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// An end of the queue, and whether it sleeps.
struct End<E> {
    end: E,
    bell: Arc<Bell>,
    asleep: bool,
}

impl<E> End<E> {
    fn new(end: E) -> Self {
        Self { end, bell: Arc::default(), asleep: false }
    }

    fn poll<R>(&mut self, poll: impl FnOnce(&E, &mut Context<'_>) -> Poll<R>) -> Option<R> {
        self.bell.0.store(false, SeqCst);
        let waker = Waker::from(self.bell.clone());
        let polled = poll(&self.end, &mut Context::from_waker(&waker));
        self.asleep = polled.is_pending();
        match polled {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }

    fn sleeps(&self) -> bool {
        self.asleep && !self.bell.0.load(SeqCst)
    }
}

struct Links {
    writers: [End<Writer<u64>>; 2],
    brings: [VecDeque<Item<u64>>; 2],
    readers: [End<Reader<u64>>; 2],
    places: usize,
    /// The model: the items in the queue, and the number of held places.
    queue: VecDeque<u64>,
    held: usize,
    next: u64,
    batches: u64,
    /// Whether no wake-up of a reader is deferred.
    rung: bool,
}

impl Links {
    fn new(places: usize) -> Self {
        let (writer, reader) = link(places, StageMetrics::new("model"));
        Self {
            writers: [writer.clone(), writer].map(End::new),
            brings: Default::default(),
            readers: [reader.clone(), reader].map(End::new),
            places,
            queue: VecDeque::new(),
            held: 0,
            next: 0,
            batches: 0,
            rung: true,
        }
    }

    fn free(&self) -> usize {
        self.places - self.queue.len() - self.held
    }

    fn go(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push(who, count, later) => {
                if self.brings[who].is_empty() {
                    self.brings[who] = (self.next..).take(count).map(|n| (n, n)).collect();
                    self.next += count as u64;
                }
                let room = self.free().min(self.brings[who].len());
                self.queue.extend(self.brings[who].iter().take(room).map(|(_, n)| *n));
                let (bring, ring) = (&mut self.brings[who], if later { WakeTiming::Deferred } else { WakeTiming::Now });
                let all = room == bring.len();
                let pushed = self.writers[who].poll(|writer, cx| writer.poll_push(cx, bring, ring));
                prop_assert_eq!(pushed.is_some(), all);
                prop_assert!(pushed.is_none_or(|pushed| pushed.is_ok()));
                self.rung = !later || !all;
            }
            Step::Ring => {
                self.writers[0].end.ring();
                self.rung = true;
            }
            Step::Take(who, most, hold) => {
                let mut into = VecDeque::new();
                let take = Take { least: 1, most, hold };
                let taken = self.readers[who].poll(|reader, cx| reader.poll_take(cx, take, &mut into, 1));
                let count = most.min(self.queue.len());
                prop_assert_eq!(taken.is_some(), count > 0);
                prop_assert!(into.into_iter().map(|(_, n)| n).eq(self.queue.drain(..count)));
                if count > 0 {
                    prop_assert_eq!(taken, Some(Some(self.batches)));
                    self.batches += 1;
                    self.held += if hold { count } else { 0 };
                }
            }
            Step::Release => {
                self.readers[0].end.release(self.held);
                self.held = 0;
            }
        }
        self.no_waiter_is_stuck()
    }

    /// Checks that not all readers sleep while there are items, unless a wake-up is deferred.
    /// Checks that no writer sleeps while all places are free.
    fn no_waiter_is_stuck(&self) -> Result<(), TestCaseError> {
        prop_assert!(self.queue.len() + self.held <= self.places);
        let all_read = self.readers.iter().all(End::sleeps);
        prop_assert!(self.queue.is_empty() || !self.rung || !all_read, "both readers sleep beside {:?}", self.queue);
        let write = self.writers.iter().any(End::sleeps);
        prop_assert!(self.free() < self.places || !write, "a writer sleeps beside an empty link");
        prop_assert!(!(all_read && self.queue.is_empty() && self.free() > 0 && write), "all would sleep for ever");
        Ok(())
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn link_matches_a_queue_and_wakes_every_waiter(
        places in 1..40_usize,
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut links = Links::new(places);
        for step in steps {
            links.go(step)?;
        }
    }
}

#[test]
fn link_drains_without_a_writer_and_refuses_without_a_reader() {
    let (writer, reader) = link(4, StageMetrics::new("model"));
    writer.try_push((0, 7)).expect("there is room");
    drop(writer);
    let mut cx = Context::from_waker(Waker::noop());
    let mut into = VecDeque::new();
    assert_eq!(reader.poll_take(&mut cx, Take::up_to(9), &mut into, 1), Poll::Ready(Some(0)));
    assert_eq!(reader.poll_take(&mut cx, Take::up_to(9), &mut into, 1), Poll::Ready(None));
    let (writer, reader) = link(4, StageMetrics::new("model"));
    drop(reader);
    assert!(matches!(writer.try_push((0, 7)), Err(Err(_))));
}
