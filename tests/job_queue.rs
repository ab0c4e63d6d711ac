//! Tests of `JobQueue`: the queue of an executor that runs tasks elsewhere.
#![allow(missing_docs)] // a test's name documents it

use nanolith::{
    Executor, TaskSet,
    call::SubmitError,
    executor::{Admission, Job, JobQueue, JobQueueBuilder, OnFull, QueuedJob, StopReason},
    prelude::*,
    sync::CancelToken,
    time::{MILLISECOND, SECOND},
};
use std::sync::Arc;

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

/// The item of each job. The queue's clones of it are counted.
#[derive(Clone)]
struct Item {
    counted: Arc<()>,
}

/// An executor whose tasks are run by hand.
#[derive(Clone)]
struct ByHand {
    queue: JobQueue<Item>,
    item: Arc<Item>,
}

impl<S: TaskSet> Executor<S> for ByHand {
    fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
        self.queue.try_push(job, Item::clone(&self.item))
    }

    fn execute(&self, job: Job<S>) -> Admission<'_, S> {
        self.queue.push(job, Item::clone(&self.item))
    }
}

impl ByHand {
    fn new(set: impl FnOnce(JobQueueBuilder) -> JobQueueBuilder) -> Self {
        Self {
            queue: set(JobQueue::builder()).build().expect("the settings are right"),
            item: Arc::new(Item { counted: Arc::default() }),
        }
    }

    /// Runs the next job that has not ended. Returns whether there was one.
    fn run_next(&self) -> bool {
        let Some(job) = std::iter::from_fn(|| self.queue.take()).find_map(QueuedJob::start::<Geometry>) else {
            return false;
        };
        let GeometryTask::Add { x, y } = job.task;
        job.reply.complete(Ok(GeometryOutput::Add(x + y)));
        true
    }

    /// Returns how many items the queue holds.
    fn items(&self) -> usize {
        Arc::strong_count(&self.item.counted) - 1
    }
}

#[test]
fn jobs_leave_in_the_order_of_their_priorities() {
    let hand = ByHand::new(|set| set);
    let geometry = Geometry::on(&hand);
    let low = geometry.add(1, 1).priority(Priority::Low).submit();
    let normal = geometry.add(2, 2).submit();
    let urgent = geometry.add(3, 3).priority(Priority::UserBlocking).submit();
    assert!(hand.run_next());
    assert_eq!((urgent.is_finished(), normal.is_finished(), low.is_finished()), (true, false, false));
    assert!(hand.run_next());
    assert_eq!((normal.is_finished(), low.is_finished()), (true, false));
    assert!(hand.run_next());
    assert!(!hand.run_next(), "the queue is empty");
    assert_eq!((low.wait().expect("it ran"), hand.queue.info().completed), (2, 3));
}

#[test]
fn raised_call_goes_first_with_its_item() {
    let hand = ByHand::new(|set| set);
    let geometry = Geometry::on(&hand);
    let (first, second) = (geometry.add(1, 1).submit(), geometry.add(2, 2).submit());
    second.raise(Priority::Immediate);
    assert!(hand.run_next());
    assert_eq!((first.is_finished(), second.is_finished()), (false, true));
    assert!(hand.run_next());
    assert_eq!(hand.items(), 0);
}

#[test]
fn ended_call_frees_its_room_and_its_item() {
    let hand = ByHand::new(|set| set.max_queue(1).on_full(OnFull::Reject));
    let geometry = Geometry::on(&hand);
    let (token, limit) = (CancelToken::new(), 5 * MILLISECOND);
    let cancelled = geometry.add(1, 1).submit();
    assert!(geometry.add(2, 2).try_submit().is_err_and(|refused| refused.is_full()));
    assert_eq!(hand.items(), 1, "the item of a refused job is dropped");
    cancelled.cancel();
    assert_eq!(hand.items(), 0);
    let tied = geometry.add(3, 3).cancel_token(&token).submit();
    token.cancel();
    assert!(matches!(tied.wait(), Err(CallError::Cancelled(_))));
    assert!(matches!(geometry.add(4, 4).timeout(limit).wait(), Err(CallError::TimedOut(_))));
    assert_eq!((hand.items(), hand.queue.info().in_flight), (0, 0));
    drop(geometry.add(5, 5).submit().cancel_on_drop());
    assert!(hand.queue.is_empty());
}

#[test]
fn dropped_oldest_call_drops_its_item() {
    let hand = ByHand::new(|set| set.max_queue(1).on_full(OnFull::DropOldest));
    let geometry = Geometry::on(&hand);
    let oldest = geometry.add(1, 1).submit();
    let newest = geometry.add(2, 2).submit();
    assert!(matches!(oldest.wait(), Err(CallError::Dropped(_))));
    assert_eq!(hand.items(), 1);
    assert!(hand.run_next());
    assert_eq!(newest.wait().expect("it ran"), 4);
}

#[test]
fn dropped_newest_call_drops_its_item() {
    let hand = ByHand::new(|set| set.max_queue(1).on_full(OnFull::DropNewest));
    let geometry = Geometry::on(&hand);
    let _oldest = geometry.add(1, 1).submit();
    assert!(matches!(geometry.add(2, 2).wait(), Err(CallError::Dropped(_))));
    assert_eq!(hand.items(), 1);
}

#[test]
fn call_waits_for_room_until_a_job_is_taken() {
    let hand = ByHand::new(|set| set.max_queue(1));
    let geometry = Geometry::on(&hand);
    let first = geometry.add(1, 1).submit();
    let waiting = std::thread::spawn({
        let geometry = geometry.clone();
        move || geometry.add(2, 2).submit().wait()
    });
    while !hand.queue.is_empty() || !waiting.is_finished() {
        if !hand.run_next() {
            std::thread::yield_now();
        }
    }
    assert_eq!((first.wait().expect("it ran"), waiting.join().expect("no panic").expect("it ran")), (2, 4));
    assert_eq!(hand.items(), 0);
}

#[test]
fn given_up_wait_for_room_drops_its_item() {
    let hand = ByHand::new(|set| set.max_queue(1));
    let geometry = Geometry::on(&hand);
    let _first = geometry.add(1, 1).submit();
    let late = geometry.add(2, 2).timeout(5 * MILLISECOND).wait();
    assert!(matches!(late, Err(CallError::TimedOut(_))));
    assert_eq!(hand.items(), 1);
}

#[test]
fn free_slots_are_room_beyond_the_bound() {
    let hand = ByHand::new(|set| set.max_queue(1).on_full(OnFull::Reject));
    hand.queue.set_free_slots(2);
    let geometry = Geometry::on(&hand);
    let accepted: Vec<_> = (0..5).filter_map(|n| geometry.add(n, n).try_submit().ok()).collect();
    assert_eq!(accepted.len(), 3);
}

#[test]
fn job_counts_as_running_until_its_guard_is_dropped() {
    let hand = ByHand::new(|set| set);
    let call = Geometry::on(&hand).add(1, 1).submit();
    let job = hand.queue.take().expect("there is one").start::<Geometry>().expect("it has not ended");
    job.reply.complete(Ok(GeometryOutput::Add(2)));
    assert_eq!(call.wait().expect("it ran"), 2);
    assert_eq!(hand.queue.info().in_flight, 1);
    let drained = hand.queue.drained().wait_timeout(5 * MILLISECOND).expect_err("a job runs");
    drop(job.guard);
    drained.wait();
    assert_eq!((hand.queue.info().in_flight, hand.queue.info().completed), (0, 1));
}

#[test]
fn taken_job_that_is_dropped_ends_as_lost() {
    let hand = ByHand::new(|set| set);
    let call = Geometry::on(&hand).add(1, 1).submit();
    drop(hand.queue.take());
    assert!(matches!(call.wait(), Err(CallError::Lost(_))));
    assert_eq!((hand.items(), hand.queue.info().in_flight, hand.queue.info().completed), (0, 0, 0));
}

#[test]
fn closed_queue_gives_out_what_it_accepted() {
    let hand = ByHand::new(|set| set);
    let geometry = Geometry::on(&hand);
    let accepted = geometry.add(1, 1).submit();
    hand.queue.close();
    assert!(matches!(geometry.add(2, 2).wait(), Err(CallError::Closed(_))));
    assert!(hand.run_next());
    assert_eq!(accepted.wait().expect("it ran"), 2);
}

#[test]
fn terminated_queue_cancels_what_is_queued() {
    let hand = ByHand::new(|set| set);
    let calls = [1, 2].map(|n| Geometry::on(&hand).add(n, n).submit());
    assert_eq!((hand.queue.terminate(), hand.items()), (2, 0));
    calls.into_iter().for_each(|call| assert!(matches!(call.wait(), Err(CallError::Cancelled(_)))));
}

#[test]
fn last_handle_that_drops_closes_the_queue() {
    let hand = ByHand::new(|set| set);
    let (item, call) = (hand.item.clone(), Geometry::calls(hand).add(1, 1).submit());
    assert!(matches!(call.wait(), Err(CallError::Closed(_))));
    assert_eq!(Arc::strong_count(&item.counted), 1);
}

// ----- replies that are the only end of their call

#[test]
fn deferred_end_waits_for_the_reply() {
    let hand = ByHand::new(|set| set);
    let call = Geometry::on(&hand).add(1, 1).submit();
    let job = hand.queue.take().expect("there is one").start::<Geometry>().expect("it has not ended");
    job.reply.defer_end();
    assert_eq!((job.reply.is_cancelled(), job.reply.stop_reason()), (false, None));
    call.cancel();
    assert!(!call.is_finished(), "the reply ends it");
    assert_eq!((job.reply.is_cancelled(), job.reply.stop_reason()), (true, Some(StopReason::Cancelled)));
    let trace = job.reply.trace();
    job.reply.complete(Err(CallError::Killed(trace.caused_by("by force"))));
    assert!(matches!(call.wait(), Err(CallError::Killed(_))));
}

#[test]
fn deferred_end_has_the_reason_that_came_first() {
    let hand = ByHand::new(|set| set);
    let call = Geometry::on(&hand).add(1, 1).timeout(5 * MILLISECOND).submit();
    let job = hand.queue.take().expect("there is one").start::<Geometry>().expect("it has not ended");
    job.reply.defer_end();
    pollster::block_on(job.reply.stop_signal());
    call.cancel();
    assert_eq!(job.reply.stop_reason(), Some(StopReason::TimedOut));
    drop(job.reply);
    assert!(matches!(call.wait(), Err(CallError::Lost(_))));
}

#[test]
fn stop_signal_ends_with_token_and_with_dropped_handle() {
    let (hand, token) = (ByHand::new(|set| set), CancelToken::new());
    let geometry = Geometry::on(&hand);
    let calls = [geometry.add(1, 1).cancel_token(&token).submit(), geometry.add(2, 2).submit().cancel_on_drop()];
    let start = || hand.queue.take().expect("there is one").start::<Geometry>().expect("it has not ended");
    let [first, second] = [start(), start()];
    [&first, &second].iter().for_each(|job| job.reply.defer_end());
    let signals = [first.reply.stop_signal(), second.reply.stop_signal()];
    let ends = signals.map(|signal| std::thread::spawn(move || pollster::block_on(signal)));
    token.cancel();
    let [tied, owned] = calls;
    drop(owned);
    ends.into_iter().for_each(|end| end.join().expect("no panic"));
    assert!(tied.wait_timeout(MILLISECOND).is_err(), "its reply is still there");
    drop((first, second));
    assert_eq!(hand.queue.info().in_flight, 0);
    hand.queue.drained().wait_timeout(SECOND).expect("it is empty");
}
