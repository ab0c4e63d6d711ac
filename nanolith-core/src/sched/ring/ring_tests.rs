//! Tests of the races of `Ring`, the lock-free MPMC ring: on threads by default, and under loom in
//! every interleaving.

use super::*;
use crate::util::prefetch::PrefetchTarget;
use std::sync::Arc;

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

impl RingItem for Box<u32> {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl PrefetchTarget for Box<u32> {
    fn target_ptr(&self) -> *const () {
        (&raw const **self).cast()
    }
}

impl RingItem for Arc<()> {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl PrefetchTarget for Arc<()> {
    fn target_ptr(&self) -> *const () {
        Arc::as_ptr(self)
    }
}

impl RingItem for i32 {
    type Inline = NoInline;

    fn from_inline(value: NoInline) -> Self {
        match value {}
    }
}

impl PrefetchTarget for i32 {
    fn target_ptr(&self) -> *const () {
        std::ptr::null()
    }
}

/// Returns whether the item came in.
fn push<T: RingItem>(inbox: &Ring<T>, make: impl FnOnce() -> T) -> bool {
    inbox.try_push(make) != Push::Full
}

fn open(capacity: usize, places: usize) -> Arc<Ring<Box<u32>>> {
    let inbox = Ring::new(capacity);
    inbox.set_limit(places);
    Arc::new(inbox)
}

#[test]
fn items_leave_in_order_lap_after_lap() {
    check(|| {
        let inbox = open(2, 2);
        for n in 0..5 {
            assert!(push(&inbox, || Box::new(n)));
            assert_eq!((inbox.len(), inbox.has_next()), (1, true));
            assert_eq!(inbox.pop().as_deref(), Some(&n));
        }
        assert!(inbox.pop().is_none());
    });
}

#[test]
fn pop_takes_no_younger_item_during_a_drain() {
    check(|| {
        let inbox = open(4, 4);
        assert!((1..=3).all(|n| push(&inbox, || Box::new(n))));
        let mut came = Vec::new();
        inbox.close_and_drain(|item| {
            assert!(inbox.pop().is_none());
            came.push(*item);
        });
        assert_eq!(came, [1, 2, 3]);
        inbox.set_limit(4);
        assert!(push(&inbox, || Box::new(4)));
        assert_eq!(inbox.pop().as_deref(), Some(&4));
    });
}

#[test]
fn ring_holds_no_more_than_its_limit() {
    check(|| {
        let inbox = open(4, 2);
        assert!(push(&inbox, || Box::new(1)) && push(&inbox, || Box::new(2)));
        assert!(!push(&inbox, || Box::new(3)));
        assert_eq!(inbox.pop().as_deref(), Some(&1));
        assert!(push(&inbox, || Box::new(3)), "a place came free");
        assert!(!push(&inbox, || Box::new(4)));
        inbox.set_limit(3);
        assert!(push(&inbox, || Box::new(4)));
    });
}

#[test]
fn two_producers_and_a_consumer_move_each_item_once() {
    check(|| {
        let inbox = open(2, 2);
        let others: Vec<_> = (1..3)
            .map(|n| {
                let inbox = inbox.clone();
                thread::spawn(move || push(&inbox, || Box::new(n)))
            })
            .collect();
        let mut sum = inbox.pop().map_or(0, |n| *n);
        assert!(others.into_iter().all(|other| other.join().unwrap_or(false)));
        inbox.close_and_drain(|n| sum += *n);
        assert_eq!(sum, 3);
    });
}

#[test]
fn two_consumers_take_no_item_twice() {
    check(|| {
        let inbox = open(2, 2);
        assert!(push(&inbox, || Box::new(1)) && push(&inbox, || Box::new(2)));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.pop().map_or(0, |n| *n))
        };
        let mine = inbox.pop().map_or(0, |n| *n);
        let theirs = other.join().unwrap_or(0);
        assert_eq!(mine + theirs, 3);
    });
}

#[test]
fn cell_is_filled_again_only_after_its_item_is_out() {
    check(|| {
        let inbox = open(1, 1);
        assert!(push(&inbox, || Box::new(1)));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.pop().map_or(0, |n| *n))
        };
        // The position counts as free as soon as the head has moved.
        let again = push(&inbox, || Box::new(2));
        assert_eq!(other.join().unwrap_or(0), 1);
        assert_eq!(inbox.pop().map(|n| *n), again.then_some(2));
    });
}

#[test]
fn closer_gets_every_item_that_came_in() {
    check(|| {
        let inbox = open(2, 2);
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || u32::from(push(&inbox, || Box::new(1))))
        };
        let mut got = 0;
        inbox.close_and_drain(|n| got += *n);
        assert!(!push(&inbox, || Box::new(7)), "it is shut");
        assert_eq!(got, other.join().unwrap_or(9), "in, or given back");
        assert_eq!(inbox.len(), 0);
    });
}

#[test]
fn pop_during_a_close_leaves_the_rest() {
    check(|| {
        let inbox = open(2, 2);
        assert!(push(&inbox, || Box::new(1)) && push(&inbox, || Box::new(2)));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.pop().map_or(0, |n| *n))
        };
        let mut got = 0;
        inbox.close_and_drain(|n| got += *n);
        assert_eq!(got + other.join().unwrap_or(0), 3);
    });
}

#[test]
fn late_producer_does_not_open_a_closed_ring() {
    check(|| {
        let inbox = open(2, 1);
        assert!(push(&inbox, || Box::new(1)));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || push(&inbox, || Box::new(2)))
        };
        let mut got = inbox.pop().map_or(0, |n| *n); // a position becomes free, and the producer that finds it gets it
        inbox.close_and_drain(|n| got += *n);
        let came = other.join().unwrap_or(false);
        assert!(!inbox.has_credit() && inbox.len() == 0, "it is shut");
        assert_eq!(got, if came { 3 } else { 1 });
    });
}

#[test]
fn waiter_takes_its_item_if_it_is_the_oldest() {
    check(|| {
        let inbox = open(2, 2);
        let items = [1, 2].map(Box::new);
        let targets = [0, 1].map(|n: usize| items[n].target_ptr());
        assert!(items.into_iter().all(|item| push(&inbox, || item)));
        assert!(inbox.pop_target(targets[1]).is_none(), "an older item is there");
        assert_eq!(inbox.pop_target(targets[0]).as_deref(), Some(&1));
        assert_eq!(inbox.pop_target(targets[1]).as_deref(), Some(&2));
        assert!(inbox.pop_target(targets[1]).is_none(), "the ring is empty");
        assert_eq!((inbox.run_by_waiters(), inbox.served(), inbox.len()), (2, 0, 0));
    });
}

#[test]
fn waiter_or_the_consumer_takes_an_item() {
    check(|| {
        let inbox = open(2, 2);
        let item = Box::new(1);
        let target = item.target_ptr().addr();
        assert!(push(&inbox, || item));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || {
                let popped = inbox.pop();
                let pushed = push(&inbox, || Box::new(2)); // into the cell that may be free
                (popped.is_some(), pushed)
            })
        };
        let taken = inbox.pop_target(std::ptr::without_provenance(target)).is_some_and(|item| *item == 1);
        let (popped, pushed) = other.join().unwrap_or((true, true));
        assert!(!(taken && popped) && pushed);
        let left = inbox.len();
        assert_eq!(usize::from(taken) + usize::from(popped), 2 - left);
    });
}

#[test]
fn waiter_takes_no_item_from_a_drain() {
    check(|| {
        let inbox = open(2, 2);
        let item = Box::new(1);
        let target = item.target_ptr().addr();
        assert!(push(&inbox, || item));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || {
                let mut drained = 0;
                inbox.close_and_drain(|_| drained += 1);
                drained
            })
        };
        let taken = inbox.pop_target(std::ptr::without_provenance(target)).is_some();
        assert_eq!(other.join().unwrap_or(9) + u32::from(taken), 1);
    });
}

#[test]
fn limit_holds_across_a_close() {
    check(|| {
        let inbox = open(2, 2);
        assert!(push(&inbox, || Box::new(1)));
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || u32::from(push(&inbox, || Box::new(2))) + u32::from(push(&inbox, || Box::new(3))))
        };
        inbox.close();
        let held = inbox.len();
        inbox.set_limit(1);
        assert!(inbox.len() <= held.max(1), "one more only if it held none");
        assert!(other.join().unwrap_or(9) <= 2);
        assert!(inbox.len() <= 2);
    });
}

#[test]
fn dropped_ring_drops_its_items() {
    check(|| {
        let item = Arc::new(());
        let inbox = Ring::new(2);
        inbox.set_limit(2);
        assert!(push(&inbox, || item.clone()));
        drop(inbox);
        assert_eq!(Arc::strong_count(&item), 1);
    });
}

#[test]
fn closed_push_and_pop_wrap_around() {
    check(|| {
        let inbox = Ring::new(2);
        for lap in 0..5 {
            assert!(inbox.push_closed(lap).is_ok() && inbox.push_closed(lap + 1).is_ok() && !inbox.has_credit());
            assert_eq!(inbox.push_closed(9), Err(9), "every cell is taken");
            assert_eq!((inbox.pop(), inbox.pop(), inbox.pop()), (Some(lap), Some(lap + 1), None));
        }
    });
}

#[test]
fn resting_consumer_is_woken_by_exactly_one_push() {
    check(|| {
        let inbox = open(4, 4);
        assert!(inbox.begin_rest());
        let others: Vec<_> = (1..3)
            .map(|n| {
                let inbox = inbox.clone();
                thread::spawn(move || inbox.try_push(|| Box::new(n)))
            })
            .collect();
        let mut pushes: Vec<_> = others.into_iter().filter_map(|other| other.join().ok()).collect();
        pushes.sort_by_key(|push| *push == Push::Wake);
        assert_eq!(pushes, [Push::Done, Push::Wake]);
        assert_eq!(inbox.len(), 2);
    });
}

#[test]
fn rest_begins_before_a_push_that_wakes_or_not_at_all() {
    check(|| {
        let inbox = open(2, 2);
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.try_push(|| Box::new(1)))
        };
        let rests = inbox.begin_rest();
        let pushed = other.join().unwrap_or(Push::Full);
        assert_eq!(pushed, if rests { Push::Wake } else { Push::Done });
    });
}

#[test]
fn rest_lasts_across_a_close() {
    check(|| {
        let inbox = open(2, 2);
        assert!(inbox.begin_rest());
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || {
                inbox.close_and_drain(drop);
                inbox.set_limit(2);
            })
        };
        other.join().expect("it does not panic");
        assert_eq!(inbox.try_push(|| Box::new(1)), Push::Wake);
        assert_eq!(inbox.try_push(|| Box::new(2)), Push::Done);
    });
}

#[test]
fn end_of_a_rest_does_not_undo_a_close() {
    check(|| {
        let inbox = open(2, 2);
        assert!(inbox.begin_rest());
        let other = {
            let inbox = inbox.clone();
            thread::spawn(move || {
                inbox.close();
                inbox.set_limit(1);
            })
        };
        inbox.end_rest();
        other.join().expect("it does not panic");
        assert_eq!(inbox.try_push(|| Box::new(1)), Push::Done);
        assert_eq!(inbox.try_push(|| Box::new(2)), Push::Full, "the new limit holds");
    });
}

#[test]
fn closed_or_filled_ring_allows_no_rest() {
    check(|| {
        let inbox = open(2, 2);
        assert_eq!(inbox.try_push(|| Box::new(1)), Push::Done);
        assert!(!inbox.begin_rest(), "it has an item");
        inbox.close_and_drain(drop);
        assert!(!inbox.begin_rest(), "it is closed");
        inbox.set_limit(2);
        assert!(inbox.begin_rest());
    });
}

// ----- values that stand for items

/// An item for which a box may stand.
struct Boxed(Box<u32>);

impl PrefetchTarget for Boxed {
    fn target_ptr(&self) -> *const () {
        self.0.target_ptr()
    }
}

impl RingItem for Boxed {
    type Inline = Box<u32>;

    fn from_inline(value: Box<u32>) -> Self {
        Self(value)
    }
}

fn open_inline(capacity: usize) -> Arc<Ring<Boxed>> {
    let ring = Ring::new(capacity);
    ring.set_limit(capacity);
    ring.inline_values(); // loom does not know the `OnceLock`
    Arc::new(ring)
}

fn push_inline(ring: &Ring<Boxed>, n: u32) -> bool {
    ring.try_push_inline(|| Box::new(n)) != Push::Full
}

#[test]
fn inline_values_and_items_leave_in_one_order() {
    check(|| {
        let ring = open_inline(2);
        for lap in (0..9).step_by(3) {
            assert!(push(&ring, || Boxed(Box::new(lap))) && push_inline(&ring, lap + 1));
            assert!(!push_inline(&ring, 7), "the ring is full");
            assert!(ring.pop_inline().is_none(), "the oldest is an item");
            assert!(matches!(ring.pop_taken(), Some(Taken::Item(item)) if *item.0 == lap));
            assert!(push_inline(&ring, lap + 2));
            assert_eq!(ring.pop_inline().as_deref(), Some(&(lap + 1)));
            assert_eq!(ring.pop().map(|item| *item.0), Some(lap + 2), "an item is made of the value");
        }
        assert!(push_inline(&ring, 9)); // dropped with the ring
    });
}

#[test]
fn inline_value_is_popped_or_drained_once() {
    check(|| {
        let ring = open_inline(2);
        assert!(push_inline(&ring, 1) && push(&ring, || Boxed(Box::new(2))));
        let other = {
            let ring = ring.clone();
            thread::spawn(move || [ring.pop_inline(), ring.pop_inline()].into_iter().flatten().map(|n| *n).sum())
        };
        let mut drained = 0;
        ring.close_and_drain(|item| drained += *item.0);
        let popped: u32 = other.join().unwrap_or(9);
        assert_eq!((popped + drained, popped < 2), (3, true), "the item is not taken for a value");
    });
}

#[test]
fn inline_value_and_item_of_one_producer_stay_in_order() {
    check(|| {
        let ring = open_inline(1);
        let producer = {
            let ring = ring.clone();
            thread::spawn(move || (push_inline(&ring, 1), push(&ring, || Boxed(Box::new(2)))))
        };
        let mut came: Vec<_> = ring.pop_inline().map(|n| *n).into_iter().collect();
        came.extend(ring.pop().map(|item| *item.0));
        let pushed = producer.join().unwrap_or_default();
        ring.close_and_drain(|item| came.push(*item.0));
        assert_eq!(came, [1, 2][..1 + usize::from(pushed.1)], "{pushed:?}");
    });
}
