//! A test of complexity: how many entries an operation of `Injector`, the queue of an executor,
//! looks at while others wait. No time is measured: each look is counted.

use super::{
    Injector, QueueItem,
    model::{Call, TASK},
};
use crate::{
    call::{ancestry::Origin, backend::ErasedCall, call_ref::CallRef, header::Header, slot::Slot},
    error::ParentCall,
    meta::priority::Priority,
    sched::{
        queue::{BoundedQueue, Limits},
        ring::{NoInline, Push, Ring, RingItem},
    },
    task::Input,
    util::prefetch::PrefetchTarget,
};
use std::{
    panic::Location,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// The number of looks at entries.
type Looks = Arc<AtomicUsize>;

/// An entry that counts the looks at its call.
struct Counted {
    call: CallRef<Call>,
    looks: Looks,
}

impl PrefetchTarget for Counted {
    fn target_ptr(&self) -> *const () {
        self.call.target_ptr()
    }
}

impl RingItem for Counted {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl QueueItem for Counted {
    fn call(&self) -> Option<&dyn ErasedCall> {
        self.looks.fetch_add(1, Relaxed);
        Some(&*self.call)
    }
}

/// A queue whose lanes hold calls.
struct Lanes {
    front: Injector<Counted>,
    inbox: Arc<Ring<Counted>>,
    calls: Vec<CallRef<Call>>,
    looks: Looks,
}

impl Lanes {
    /// Creates a queue with `n` calls of normal priority; every third call is from inside.
    fn filled(n: usize) -> Self {
        let inbox = Arc::new(Ring::new(64));
        let queue = BoundedQueue::new(Limits { queued: usize::MAX, in_flight: usize::MAX });
        let mut lanes =
            Self { front: Injector::new(queue, inbox.clone()), inbox, calls: Vec::new(), looks: Looks::default() };
        (0..n).for_each(|nth| lanes.enter(call(Priority::Normal, nth % 3 == 0)));
        lanes
    }

    fn enter(&mut self, call: CallRef<Call>) {
        let (priority, inside) = (call.header.priority(), call.header.is_nested());
        call.header.mark_counted(inside);
        self.front.stop_accepting().unwrap_or_default().wake();
        let entry = self.entry(call.clone());
        self.front.queue.push(priority, call.header.submitted_at(), inside, entry);
        self.calls.push(call);
    }

    fn entry(&self, call: CallRef<Call>) -> Counted {
        Counted { call, looks: self.looks.clone() }
    }

    /// Opens the ring and puts the same number of calls into it.
    fn fill_inbox(&mut self, calls: usize) {
        self.front.open_ring();
        (0..calls)
            .for_each(|_| assert!(self.inbox.try_push(|| self.entry(call(Priority::Normal, false))) != Push::Full));
    }

    /// Returns the number of looks at entries that `operation` takes.
    fn count_looks(&mut self, operation: impl FnOnce(&mut Self)) -> usize {
        self.looks.store(0, Relaxed);
        operation(self);
        self.looks.load(Relaxed)
    }

    fn cancel(&mut self, call: &CallRef<Call>) {
        assert!(call.claim());
        self.front.leave(&**call).wake();
    }
}

fn call(priority: Priority, inside: bool) -> CallRef<Call> {
    let meta =
        Header::new(ParentCall { task: &TASK, submitted: Location::caller() }, Some(priority), None, Origin::default());
    meta.stamp_submitted(|| 10_000_000);
    if inside {
        meta.mark_nested();
    }
    CallRef::new(Slot::new(Input { task: 0, shared: None }, meta, false))
}

/// The numbers of the calls that wait.
const SIZES: [usize; 2] = [100, 10_000];

#[test]
fn figures_inspect_no_call_in_the_lanes() {
    for n in SIZES {
        let mut lanes = Lanes::filled(n);
        assert!(Slot::claim_by_waiter::<Input<_>, 0>(&lanes.calls[0]).is_some());
        lanes.front.queue.rules().count_overtaken();
        let (all_inside, inside) = (n.div_ceil(3), n.div_ceil(3) - 1); // without the overtaken one
        let looks = lanes.count_looks(|lanes| {
            let (figures, wakes) = lanes.front.figures();
            wakes.wake();
            assert_eq!((figures.queued_outside, figures.overflow), (n - all_inside, inside));
            assert_eq!((figures.in_flight, figures.completed), (n - 1, 1));
        });
        assert_eq!(looks, 0, "beside {n}");
    }
}

#[test]
fn figures_take_nothing_out_of_an_inbox_of_outside_calls() {
    let mut lanes = Lanes::filled(0);
    lanes.fill_inbox(40);
    let looks = lanes.count_looks(|lanes| assert_eq!(lanes.front.figures().0.queued_outside, 40));
    assert_eq!((looks, lanes.inbox.len()), (0, 40));
}

#[test]
fn cancel_beside_raised_calls_inspects_few_calls() {
    for n in SIZES {
        let mut lanes = Lanes::filled(0);
        (0..n).for_each(|_| lanes.enter(call(Priority::Idle, false)));
        let calls = std::mem::take(&mut lanes.calls);
        for (at, to) in [(2, Priority::Low), (1, Priority::Normal)] {
            for call in &calls {
                assert!(call.header.raise(to));
                let entry = lanes.entry(call.clone());
                lanes.front.raise(at, entry);
            }
        }
        let (few, rest) = calls.split_at(30);
        let looks = lanes.count_looks(|lanes| few.iter().for_each(|call| lanes.cancel(call)));
        assert_eq!(looks, 0, "30 of {n}");
        let looks = lanes.count_looks(|lanes| rest.iter().for_each(|call| lanes.cancel(call)));
        assert!(looks <= 8 * n, "{looks} for all of {n}");
        assert!(lanes.front.queue.lanes().len() <= 64, "their entries are gone");
    }
}

#[test]
fn cancel_of_a_counted_call_leaves_the_inbox_alone() {
    let mut lanes = Lanes::filled(0);
    lanes.enter(call(Priority::Idle, false));
    lanes.fill_inbox(40);
    let idle = lanes.calls[0].clone();
    let looks = lanes.count_looks(|lanes| lanes.cancel(&idle));
    assert_eq!((looks, lanes.inbox.len()), (0, 40));
}
