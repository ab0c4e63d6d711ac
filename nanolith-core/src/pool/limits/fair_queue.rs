//! [`FairQueue`]: the order in which a pool serves its shares, which are groups of calls with a
//! weight. The order is [start-time fair queueing] by weight and run time. This is pure data under
//! the pool's lock.
//!
//! [start-time fair queueing]: https://doi.org/10.1109/90.649569
//!
//! Each share has a queue of its own. For each call in it there is a *ticket* in the pool's lanes,
//! in the lane of the call's priority. A worker that takes a ticket considers the shares with a
//! waiting call of that priority. It runs the first such call of the share with the least *virtual
//! time*. The virtual time of a share is the run time of its calls, divided by its weight. A
//! running call counts with the recent run time of the share's calls. A share that had no calls
//! starts at the virtual time of the other shares, so a share does not save up time.

use crate::meta::priority::Priority;
use std::collections::{BTreeSet, VecDeque};

pub(in crate::pool) type ShareId = u32;

const PRIORITIES: usize = Priority::ALL.len();

/// The number of waiting calls of each priority.
pub(in crate::pool) type Waiting = [usize; PRIORITIES];

/// The minimum run time that a call is charged, in nanoseconds, so that very short calls count.
const LEAST: u64 = 1_000;

/// The virtual time for one nanosecond of run time, at a weight of one.
const SCALE: u128 = 1 << 32;

/// The virtual time of one share.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct ShareClock {
    weight: u32,
    consumed: u128,
    /// Calls that were started and have not ended.
    running: u32,
    /// The recent run time of a call, in nanoseconds.
    estimate: u64,
    /// The number of the service at which a call of this share started last. At equal virtual time,
    /// the share with the lowest number goes first.
    served: u64,
    waiting: Waiting,
    /// Whether a call waits in this share, and the share has a limit.
    is_held_back: bool,
}

impl ShareClock {
    pub(in crate::pool) fn new(weight: u32) -> Self {
        let waiting = Waiting::default();
        Self { weight, consumed: 0, running: 0, estimate: LEAST, served: 0, waiting, is_held_back: false }
    }

    pub(in crate::pool) fn weight(&self) -> u32 {
        self.weight
    }

    fn time(&self, nanos: u64) -> u128 {
        u128::from(nanos) * SCALE / u128::from(self.weight)
    }

    /// Returns the share's virtual time, with an estimate for its running calls.
    fn virtual_time(&self) -> u128 {
        self.consumed + self.time(self.estimate) * u128::from(self.running)
    }

    fn is_idle(&self) -> bool {
        self.waiting == Waiting::default()
    }
}

/// The order of the shares, and their tickets.
#[derive(Default)]
pub(in crate::pool) struct FairQueue {
    /// The shares by virtual time, for each priority of their waiting calls.
    next: BTreeSet<(usize, u128, u64, ShareId)>,
    /// The highest virtual time at which a call of a share has started.
    virtual_time: u128,
    served: u64,
    /// The expirations of the tickets in the lanes, by priority.
    tickets: [VecDeque<u64>; PRIORITIES],
    waiting: Waiting,
}

impl FairQueue {
    /// Changes a share's clock, and with it the share's position in the order.
    fn change(&mut self, id: ShareId, account: &mut ShareClock, change: impl FnOnce(&mut ShareClock)) {
        for priority in 0..PRIORITIES {
            self.next.remove(&(priority, account.virtual_time(), account.served, id));
        }
        change(account);
        for priority in (0..PRIORITIES).filter(|priority| account.waiting[*priority] > 0) {
            self.next.insert((priority, account.virtual_time(), account.served, id));
        }
    }

    /// Sets how many calls of the share may be taken now. `is_held_back` says whether a call waits
    /// in a share with a limit.
    pub(in crate::pool) fn set_waiting(
        &mut self,
        id: ShareId,
        account: &mut ShareClock,
        waiting: Waiting,
        is_held_back: bool,
    ) {
        let was_held_back = std::mem::replace(&mut account.is_held_back, is_held_back);
        if account.waiting == waiting {
            return;
        }
        for (all, (now, before)) in self.waiting.iter_mut().zip(waiting.into_iter().zip(account.waiting)) {
            *all = *all + now - before;
        }
        // A share that was at its limit was never idle. It continues at the virtual time of the
        // call that started last, and saves up no more.
        let level = match account.is_idle() {
            true if was_held_back => self.virtual_time,
            true => self.lowest(),
            false => 0,
        };
        self.change(id, account, |account| {
            account.consumed += level.saturating_sub(account.virtual_time());
            account.waiting = waiting;
        });
    }

    /// Returns the virtual time of the share that is served next.
    fn lowest(&self) -> u128 {
        let first =
            |class: usize| self.next.range((class, 0, 0, 0)..(class + 1, 0, 0, 0)).next().map(|(_, had, ..)| *had);
        (0..PRIORITIES).filter_map(first).min().unwrap_or(self.virtual_time)
    }

    pub(in crate::pool) fn set_weight(&mut self, id: ShareId, account: &mut ShareClock, weight: u32) {
        self.change(id, account, |account| account.weight = weight);
    }

    // ----- tickets

    /// Returns the priorities and expirations of the tickets to put into the lanes. They count as
    /// issued.
    pub(in crate::pool) fn issue_tickets(&mut self, expires: impl Fn(Priority) -> u64) -> Vec<(Priority, u64)> {
        let mut issued = Vec::new();
        for priority in Priority::ALL {
            let tickets = &mut self.tickets[priority as usize];
            while tickets.len() < self.waiting[priority as usize] {
                let expires = expires(priority);
                tickets.insert(tickets.partition_point(|known| *known <= expires), expires);
                issued.push((priority, expires));
            }
        }
        issued
    }

    /// Takes the ticket that expires first, and returns its priority.
    pub(in crate::pool) fn pick(&mut self) -> Option<Priority> {
        let drawn = self.first_ticket()?;
        self.tickets[drawn as usize].pop_front();
        Some(drawn)
    }

    /// Returns the priority of the ticket that expires first.
    pub(in crate::pool) fn first_ticket(&self) -> Option<Priority> {
        let first = |priority: &Priority| self.tickets[*priority as usize].front().copied();
        Priority::ALL.into_iter().filter(|priority| first(priority).is_some()).min_by_key(first)
    }

    /// Removes all tickets.
    pub(in crate::pool) fn drop_tickets(&mut self) {
        self.tickets.iter_mut().for_each(VecDeque::clear);
    }

    /// Returns the share whose turn it is among those with a waiting call of this priority.
    pub(in crate::pool) fn next(&self, priority: Priority) -> Option<ShareId> {
        let class = priority as usize;
        self.next.range((class, 0, 0, 0)..(class + 1, 0, 0, 0)).next().map(|(.., id)| *id)
    }

    // ----- charging run time

    /// Counts a call of the share that starts.
    pub(in crate::pool) fn began(&mut self, id: ShareId, account: &mut ShareClock) {
        self.virtual_time = self.virtual_time.max(account.virtual_time());
        self.served += 1;
        let served = self.served;
        self.change(id, account, |account| {
            account.running += 1;
            account.served = served;
        });
    }

    /// Counts the end of a call that ran for `took` nanoseconds.
    pub(in crate::pool) fn over(&mut self, id: ShareId, account: &mut ShareClock, took: u64) {
        let took = took.max(LEAST);
        self.change(id, account, |account| {
            account.running -= 1;
            account.consumed += account.time(took);
            account.estimate = (account.estimate / 8 * 7 + took / 8).max(LEAST);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::call::aging::AgingTable;

    /// Shares, each with a number of waiting calls of normal priority and a run time per call.
    struct Pool {
        order: FairQueue,
        shares: Vec<(ShareClock, usize, u64)>,
    }

    impl Pool {
        fn new(shares: &[(u32, usize, u64)]) -> Self {
            let mut pool = Self { order: FairQueue::default(), shares: Vec::new() };
            for (weight, waiting, takes) in shares {
                pool.shares.push((ShareClock::new(*weight), 0, *takes));
                pool.come(pool.shares.len() - 1, *waiting);
            }
            pool
        }

        fn come(&mut self, share: usize, calls: usize) {
            self.shares[share].1 += calls;
            self.tell(share);
        }

        fn tell(&mut self, share: usize) {
            let (account, waiting, _) = &mut self.shares[share];
            let mut all = Waiting::default();
            all[Priority::Normal as usize] = *waiting;
            self.order.set_waiting(share as ShareId, account, all, *waiting > 0);
        }

        /// Starts the next call.
        fn begin(&mut self) -> Option<usize> {
            let id = self.order.next(Priority::Normal)?;
            let share = id as usize;
            self.shares[share].1 -= 1;
            self.tell(share);
            self.order.began(id, &mut self.shares[share].0);
            Some(share)
        }

        fn finish(&mut self, share: usize) {
            let (account, _, takes) = &mut self.shares[share];
            self.order.over(share as ShareId, account, *takes);
        }

        /// Runs `calls` calls, `at_once` at a time. Returns how many calls of each share ran.
        fn run(&mut self, calls: usize, at_once: usize) -> Vec<usize> {
            let mut ran = vec![0; self.shares.len()];
            let mut running = VecDeque::new();
            for _ in 0..calls {
                if running.len() == at_once {
                    self.finish(running.pop_front().expect("some run"));
                }
                let Some(share) = self.begin() else { break };
                ran[share] += 1;
                running.push_back(share);
            }
            running.into_iter().for_each(|share| self.finish(share));
            ran
        }
    }

    #[test]
    fn weights_divide_the_calls() {
        for at_once in [1, 2, 8] {
            let mut pool = Pool::new(&[(3, 10_000, 50_000), (1, 10_000, 50_000)]);
            let ran = pool.run(4_000, at_once);
            assert!((2_980..=3_020).contains(&ran[0]), "{ran:?} with {at_once} at once");
        }
    }

    #[test]
    fn queue_divides_run_time_instead_of_calls() {
        let mut pool = Pool::new(&[(1, 10_000, 300_000), (1, 10_000, 100_000)]);
        let ran = pool.run(4_000, 2);
        assert!((980..=1_020).contains(&ran[0]), "{ran:?}");
    }

    #[test]
    fn calls_without_run_time_are_counted() {
        let ran = Pool::new(&[(1, 1_000, 0), (4, 1_000, 0)]).run(500, 1);
        assert!((99..=101).contains(&ran[0]), "{ran:?}");
    }

    #[test]
    fn late_share_is_next_and_saves_no_credit() {
        let mut pool = Pool::new(&[(1, 10_000, 50_000), (1, 0, 50_000)]);
        pool.run(1_000, 4);
        pool.come(1, 1);
        assert_eq!(pool.begin(), Some(1));
        let mut pool = Pool::new(&[(1, 10_000, 50_000), (1, 0, 50_000)]);
        pool.run(1_000, 1);
        pool.come(1, 1_000);
        let ran = pool.run(100, 1);
        assert!((49..=51).contains(&ran[1]), "the time before counts for nothing: {ran:?}");
    }

    #[test]
    fn only_share_with_calls_gets_every_turn() {
        assert_eq!(Pool::new(&[(1, 100, 50_000), (1_000, 0, 50_000)]).run(100, 1), [100, 0]);
    }

    #[test]
    fn tickets_leave_by_expiration_and_cover_all_calls() {
        let mut order = FairQueue::default();
        let mut account = ShareClock::new(1);
        let mut waiting = Waiting::default();
        waiting[Priority::Low as usize] = 1;
        order.set_waiting(0, &mut account, waiting, true);
        let expires = |priority| AgingTable::default().of(priority, 0);
        let tickets = |priorities: &[Priority]| -> Vec<_> {
            priorities.iter().map(|priority| (*priority, expires(*priority))).collect()
        };
        assert_eq!(order.issue_tickets(expires), tickets(&[Priority::Low]));
        waiting[Priority::UserBlocking as usize] = 1;
        order.set_waiting(0, &mut account, waiting, true);
        assert_eq!(order.issue_tickets(expires), tickets(&[Priority::UserBlocking]));
        assert_eq!(order.issue_tickets(expires), []);
        assert_eq!(
            (order.pick(), order.pick(), order.pick()),
            (Some(Priority::UserBlocking), Some(Priority::Low), None)
        );
        assert_eq!(order.next(Priority::Normal), None);
        assert_eq!(order.next(Priority::Low), Some(0));
    }
}
