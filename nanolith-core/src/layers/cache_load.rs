//! [`Load`]: a load of the cache in progress, and the calls that wait for its outcome. A load is
//! one run of a task for all calls with the same key.

use crate::{
    task::{Job, Reply, TaskSet},
    util::ordered_map::OrderedMap,
    wake::Deferred,
};
use std::sync::Arc;

/// A load in progress. A call that waits for it has a delegate that no executor holds. So an end of
/// the call ends the delegate, which drops the arguments at once.
pub(super) struct Load<S: TaskSet> {
    waiters: Deferred<Waiters<S>>,
}

struct Waiters<S: TaskSet> {
    is_over: bool,
    last: u64,
    jobs: OrderedMap<u64, Job<S>>,
}

impl<S: TaskSet> Load<S> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { waiters: Deferred::new(Waiters { is_over: false, last: 0, jobs: OrderedMap::new() }) })
    }

    /// Adds the call to the waiters of the load.
    ///
    /// # Errors
    ///
    /// Gives the call back if the load is over.
    pub(super) fn join(self: &Arc<Self>, task: S::Task, reply: Reply<S>) -> Result<(), (S::Task, Reply<S>)> {
        let number = self.waiters.with(|waiters, _| {
            waiters.last += 1;
            (!waiters.is_over).then_some(waiters.last)
        });
        let Some(number) = number else { return Err((task, reply)) };
        let load = Arc::downgrade(self);
        let job = Job::delegate(reply, task, move |reply, outcome| {
            load.upgrade().into_iter().for_each(|load| load.leave(number));
            reply.complete(outcome);
        });
        let call = job.slot().clone();
        let mut job = Some(job);
        self.waiters.with(|waiters, _| {
            if let Some(job) = job.take_if(|_| !waiters.is_over) {
                waiters.jobs.insert(number, job);
            }
        });
        match job {
            // The call ended before its job was in the list.
            None if call.is_over() => self.leave(number),
            None => {}
            // The load has ended in the meantime. If the call has ended too, it needs no other
            // load.
            Some(job) => return job.start_delegating().map_or(Ok(()), Err),
        }
        Ok(())
    }

    /// Removes a waiter.
    fn leave(&self, number: u64) {
        let job = self.waiters.with(|waiters, _| waiters.jobs.remove(number));
        drop(job);
    }

    /// Takes out the call that has waited longest, to run the load.
    pub(super) fn next(&self) -> Option<Job<S>> {
        self.waiters.with(|waiters, _| waiters.jobs.pop_first().map(|(_, job)| job))
    }

    /// Like [`Load::next`]. If no call waits, the load is over.
    pub(super) fn next_or_finish(&self) -> Option<Job<S>> {
        self.waiters.with(|waiters, _| {
            let first = waiters.jobs.pop_first();
            waiters.is_over = first.is_none();
            first.map(|(_, job)| job)
        })
    }

    /// Ends the load. Returns the calls that waited for it.
    pub(super) fn finish(&self) -> impl Iterator<Item = Job<S>> + use<S> {
        let jobs = self.waiters.with(|waiters, _| {
            waiters.is_over = true;
            std::mem::take(&mut waiters.jobs)
        });
        jobs.into_values()
    }
}
