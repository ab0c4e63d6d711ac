//! The alarms of calls whose only option is a time limit. An alarm ends its call at the deadline.
//!
//! Most of these calls end long before. So an alarm costs little to arm and to disarm: a place in a
//! table of the arming thread, and an entry in a [heap] by due moments. A disarmed alarm leaves its
//! place at once, with its owner of the call. Its entry stays in the heap until it is due, or until
//! such entries are the greater part of the heap.
//!
//! The timer's thread knows one moment for all tables, before which no alarm is due. A table announces
//! an alarm only if it is due before the others there. So the thread wakes at most once for an alarm
//! that is disarmed by then.
//!
//! Alarms by a virtual clock are armed in [`timer`] itself, which knows the next one exactly.
//!
//! [heap]: https://en.wikipedia.org/wiki/Binary_heap

use super::{
    backend::{self, ErasedCall, ExecutorId},
    call_ref::CallRef,
    header::Header,
    slot::EndReason,
};
use crate::{
    time::{
        clock,
        timer::{self, AlarmSource},
    },
    util::{per_thread::per_thread, unwind},
};
use slab::Slab;
use std::{
    cell::Cell,
    cmp::Reverse,
    collections::BinaryHeap,
    num::NonZero,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

/// The number of tables. Threads share them in turn.
const TABLES: u32 = 16;

/// The number of entries of disarmed alarms that a heap may have in any case, and of unused places
/// that a table keeps.
const SLACK: usize = 64;

/// The place of an alarm: one more than its index in the table, times [`TABLES`], plus the table.
pub(super) type Place = NonZero<u32>;

struct Armed {
    /// The deadline, as [`clock::at`] gives it.
    due: u64,
    call: CallRef<dyn ErasedCall>,
    host: Option<ExecutorId>,
}

/// The alarms of some threads. Pure data.
struct Alarms {
    armed: Slab<Armed>,
    /// The due moments with the indexes in `armed`, those of disarmed alarms among them.
    order: BinaryHeap<Reverse<(u64, usize)>>,
    /// No alarm is due before this moment, of which the timer knows.
    announced: u64,
}

/// A table in cache lines of its own.
#[repr(align(128))]
struct Table(Mutex<Alarms>);

struct Tables([Table; TABLES as usize]);

static ALL: Tables = Tables([const { Table(Mutex::new(Alarms::NONE)) }; TABLES as usize]);

per_thread! {
    /// The number of this thread's table, plus one.
    static OWN: Cell<u32> = Cell::new(0);
}

fn own_table() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    if OWN.get() == 0 {
        // ORDERING: Relaxed, a number.
        OWN.set(LAST.fetch_add(1, Ordering::Relaxed) % TABLES + 1);
    }
    OWN.get() - 1
}

/// Arms an alarm that ends the call at `due` by the system's clock. Returns `None`, and arms nothing,
/// if there are too many.
pub(super) fn arm(due: u64, call: CallRef<dyn ErasedCall>, host: Option<ExecutorId>) -> Option<Place> {
    let table = own_table();
    let mut alarms = ALL.table(table);
    let index = alarms.armed.vacant_key();
    let place = u32::try_from(index + 1).ok()?.checked_mul(TABLES)?.checked_add(table)?;
    alarms.armed.insert(Armed { due, call, host });
    alarms.order.push(Reverse((due, index)));
    alarms.forget_disarmed();
    let is_first = due < alarms.announced;
    if is_first {
        alarms.announced = due;
    }
    drop(alarms);
    if is_first {
        timer::announce(&ALL, clock::instant_at(due));
    }
    NonZero::new(place)
}

/// Disarms the alarm of the call with this header, unless it has fired. Returns the alarm's owner of
/// the call, to be dropped.
pub(super) fn disarm(place: Place, call: &Header) -> Option<CallRef<dyn ErasedCall>> {
    let (index, table) = ((place.get() / TABLES - 1) as usize, place.get() % TABLES);
    let mut alarms = ALL.table(table);
    // Another call has the place if the alarm has fired.
    alarms.armed.get(index).filter(|armed| std::ptr::eq(armed.call.header(), call))?;
    Some(alarms.armed.remove(index).call)
}

impl Tables {
    fn table(&self, number: u32) -> MutexGuard<'_, Alarms> {
        self.0[number as usize].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlarmSource for Tables {
    fn fire_due(&self, now: Instant) -> Option<Instant> {
        let now = clock::at(now);
        let next = (0..TABLES).filter_map(|number| {
            loop {
                let mut alarms = self.table(number);
                match alarms.pop_due(now) {
                    Some(due) => {
                        drop(alarms);
                        due.fire();
                    }
                    None => return alarms.announce_next(),
                }
            }
        });
        next.min().map(clock::instant_at)
    }
}

impl Armed {
    fn fire(self) {
        timer::as_ringing(|| {
            unwind::ignore_panics(|| {
                backend::end(&*self.call, self.host, EndReason::TimedOut);
                drop(self.call);
            });
        });
    }
}

impl Alarms {
    const NONE: Self = Self { armed: Slab::new(), order: BinaryHeap::new(), announced: u64::MAX };

    fn is_armed(armed: &Slab<Armed>, due: u64, index: usize) -> bool {
        armed.get(index).is_some_and(|known| known.due == due)
    }

    /// Drops the entries of disarmed alarms if they are more than half.
    fn forget_disarmed(&mut self) {
        if self.order.len() > 2 * self.armed.len() + SLACK {
            let armed = &self.armed;
            self.order.retain(|Reverse((due, index))| Self::is_armed(armed, *due, *index));
        }
    }

    /// Takes an alarm that is due.
    fn pop_due(&mut self, now: u64) -> Option<Armed> {
        while let Some(Reverse((due, index))) = self.order.peek().copied() {
            let is_armed = Self::is_armed(&self.armed, due, index);
            if is_armed && due > now {
                return None;
            }
            self.order.pop();
            if is_armed {
                return self.armed.try_remove(index);
            }
        }
        None
    }

    /// Returns when the next alarm is due, which the timer is to know. Releases memory that is far too
    /// large.
    fn announce_next(&mut self) -> Option<u64> {
        let next = self.order.peek().map(|Reverse((due, _))| *due);
        self.announced = next.unwrap_or(u64::MAX);
        if self.armed.is_empty() && self.armed.capacity() > SLACK {
            (self.armed, self.order) = (Slab::new(), BinaryHeap::new());
        }
        next
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::{
        call::{ancestry::Origin, slot::Slot},
        error::ParentCall,
        task::{CallSlot, Input, Work, closure},
        time::SECOND,
    };
    use std::{panic::Location, thread};

    fn call() -> CallRef<CallSlot<Work>> {
        let task = closure(|| ());
        let caller =
            ParentCall { task: <Work as crate::task::TaskSet>::task_info(&task), submitted: Location::caller() };
        let meta = Header::new(caller, None, None, Origin::default());
        CallRef::new(Slot::new(Input { task, shared: None }, meta, false))
    }

    fn after_second() -> u64 {
        clock::at(Instant::now() + SECOND)
    }

    #[test]
    fn alarm_ends_its_call_and_a_disarmed_one_does_not() {
        let (early, late, disarmed) = (call(), call(), call());
        let now = clock::at(Instant::now());
        let place = arm(now + 2_000_000, disarmed.clone().erase(), None).expect("there is room");
        assert!(arm(now + 3_000_000, late.clone().erase(), None).is_some());
        assert!(arm(now + 1_000_000, early.clone().erase(), None).is_some());
        assert!(disarm(place, &disarmed.header).is_some());
        assert!(disarm(place, &disarmed.header).is_none());
        timer::start().expect("it starts");
        while !late.is_over() {
            thread::yield_now();
        }
        assert!(early.is_over() && !disarmed.is_over());
    }

    #[test]
    fn entries_of_disarmed_alarms_do_not_accumulate() {
        let kept = call();
        let own = arm(after_second(), kept.clone().erase(), None).expect("there is room");
        for _ in 0..10_000 {
            let call = call();
            let place = arm(after_second(), call.clone().erase(), None).expect("there is room");
            assert!(disarm(place, &call.header).is_some());
        }
        let alarms = ALL.table(own_table());
        assert!(alarms.order.len() < 4 * SLACK, "{}", alarms.order.len());
        drop(alarms);
        assert!(disarm(own, &kept.header).is_some());
    }

    #[test]
    fn place_of_an_alarm_that_has_gone_names_no_other_call() {
        let (first, second) = (call(), call());
        let place = arm(after_second(), first.clone().erase(), None).expect("there is room");
        assert!(disarm(place, &first.header).is_some());
        let again = arm(after_second(), second.clone().erase(), None).expect("there is room");
        assert!(disarm(place, &first.header).is_none());
        assert!(disarm(again, &second.header).is_some());
    }
}
