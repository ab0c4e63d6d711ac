//! [`each`] makes one call for each input of an iterator and returns the results as an iterator,
//! [`Each`]. The results are in the order of the inputs or unordered. The number of inputs in
//! flight is bounded.

use super::{
    EachStream,
    driver::{self, Driver, Link},
    source::FromIterator,
    window::Window,
};
use crate::util::checked::at_least_one;
use crate::{error::CallError, executor::Executor, meta::priority::Priority, task::TaskSet, typed::Call};
use std::{convert::Infallible, fmt, future::Future, iter::FusedIterator, num::NonZero};

/// Makes a call for each input and returns the results, in the order of the inputs unless
/// [`unordered`](Each::unordered) is set.
///
/// `calls` holds the typed methods of a pool, a service, a cluster or a layer, by value or by
/// reference. `call` makes the lazy call for one input from it, of any task. Write the closure
/// directly in this call. Elsewhere, the compiler does not know that the returned call borrows from
/// the closure's argument.
///
/// Inputs are pulled on the thread that takes the results, when it takes them. At most
/// [`in_flight`](Each::in_flight) inputs are ahead of the results, so memory use does not depend on
/// the number of inputs. If the iterator is dropped early, queued calls are cancelled and running
/// calls are asked to stop.
///
/// ```
/// use nanolith::bulk::each;
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let mut sum = 0;
/// for added in each(Geometry::tasks(), 0..10_000, |geometry, n| geometry.add(n, 1)) {
///     sum += added?;
/// }
/// assert_eq!(sum, 50_005_000);
/// let pool = Pool::builder().build()?;
/// let sums: Vec<i64> = each(Geometry::on(&pool), [1, 2, 3], |geometry, n| geometry.add(n, n)).try_collect()?;
/// assert_eq!(sums, [2, 4, 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// On a pool, calls of one task are grouped: each group runs as one job of the pool, a batch. The
/// first batch has one input. Batches grow while a batch takes less than about 50 µs. So tiny tasks
/// cost little, and long tasks still use all threads. A batch that still takes long hands its
/// remaining tasks to the other threads.
///
/// The tasks of a batch run one after the other, each with its hooks, its context and its own
/// outcome. The pool's metrics and bounds count a batch as one call. These calls are submitted one
/// by one: calls of `async` tasks, calls with a time limit or a messenger, and calls with `async`
/// hooks around them. So are all calls of services, clusters and layers.
///
/// ```
/// use nanolith::bulk::each;
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let counter = Counter::service(10).launch().wait()?;
/// let totals: Vec<i64> = each(&counter, [1, 2, 3], |counter, by| counter.bump(by)).try_collect()?;
/// assert_eq!(totals, [11, 13, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Each input has its own result; [`CallTrace::item`](crate::error::CallTrace::item) of an error is
/// the index of the input. To stop at the first error and cancel the rest, use
/// [`try_collect`](Each::try_collect), or leave the loop. To keep all errors, collect the results
/// themselves. Tasks that return a `Result` keep it:
///
/// ```
/// use nanolith::bulk::each;
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let texts = ["7", "eight", "9"].map(String::from);
/// let numbers = each(Geometry::tasks(), texts, |geometry, text| geometry.parse(text));
/// let numbers: Result<Vec<i64>, Box<dyn std::error::Error>> = numbers.map(|outcome| Ok(outcome??)).collect();
/// assert!(numbers.is_err());
/// ```
///
/// If the executor is full and waits for capacity, the iterator waits too. If a full executor
/// rejects calls, an input fails only when no other call of this iterator is in flight.
///
/// # Panics
///
/// A panic of `inputs` or `call` propagates out of `next`. The inputs of the unfinished batch are
/// lost.
///
/// # Tasks that wait for each other
///
/// Two inputs of one batch run one after the other. A task may wait for the effect of another
/// input's task by other means than the calls of this library; then it may wait for ever. Give such
/// work a [`batch`](Each::batch) of one.
pub fn each<C, I, F, S, E, T>(calls: C, inputs: I, call: F) -> Each<T, impl Future<Output = Infallible>>
where
    I: IntoIterator,
    F: for<'c> FnMut(&'c C, I::Item) -> Call<'c, S, E, T>,
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
{
    let (link, inputs) = (Link::new(), inputs.into_iter());
    let asked = link.clone();
    let run = async move {
        let source = FromIterator { calls: &calls, inputs, call };
        driver::serve(Window::new(source), asked).await
    };
    Each { driver: Driver::new(run, link) }
}

/// The results of calls in bulk, as an iterator. Made by [`each`].
///
/// ```
/// use nanolith::bulk::each;
/// # use nanolith::prelude::*;
/// # use nanolith_doc_sets::*;
/// let sums = each(Geometry::tasks(), 0..100, |geometry, n| geometry.add(n, 1));
/// let sums: Vec<i64> = sums.unordered().in_flight(32).priority(Priority::Low).try_collect()?;
/// assert_eq!(sums.iter().sum::<i64>(), 5_050);
/// # Ok::<(), CallError>(())
/// ```
#[must_use = "it takes no input until a result is asked for"]
pub struct Each<T, D> {
    driver: Driver<T, D>,
}

impl<T: Send + 'static, D: Future<Output = Infallible>> Each<T, D> {
    /// Returns each result as soon as it exists. The results of one batch arrive together.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let sums = each(Geometry::tasks(), [1, 2, 3], |geometry, n| geometry.add(n, n)).unordered();
    /// let mut sums: Vec<i64> = sums.try_collect()?;
    /// sums.sort();
    /// assert_eq!(sums, [2, 4, 6]);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn unordered(mut self) -> Self {
        self.driver.set(|settings| settings.unordered = true);
        self
    }

    /// Sets the maximum number of inputs that are taken ahead of the results: at least 1.
    ///
    /// The default on a pool is a few batches for each thread, some thousand inputs. Where calls
    /// are submitted one by one, it is 4,096.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use std::cell::Cell;
    /// # use nanolith_doc_sets::*;
    /// let taken = Cell::new(0);
    /// let inputs = (0..).inspect(|_| taken.set(taken.get() + 1));
    /// let mut sums = each(Geometry::tasks(), inputs, |geometry, n| geometry.add(n, n)).in_flight(8);
    /// assert_eq!(sums.next().transpose()?, Some(0));
    /// assert!(taken.get() <= 8);
    /// # Ok::<(), CallError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `inputs` is 0.
    #[track_caller]
    pub fn in_flight(mut self, inputs: usize) -> Self {
        let inputs = NonZero::new(at_least_one("in_flight", inputs));
        self.driver.set(|settings| settings.wish.in_flight = inputs);
        self
    }

    /// Sets the number of inputs in each batch: at least 1. With 1, each input is a call of its
    /// own. By default, the size follows the measured run time.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # let pool = Pool::builder().build()?;
    /// let geometry = Geometry::on(&pool);
    /// let sums = each(&geometry, 0..100, |geometry, n| geometry.add(n, n)).batch(10);
    /// assert_eq!(sums.count(), 100);
    /// pool.drained().wait();
    /// assert_eq!(pool.info().completed, 10); // calls of the pool
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `inputs` is 0.
    #[track_caller]
    pub fn batch(mut self, inputs: usize) -> Self {
        let inputs = NonZero::new(at_least_one("batch", inputs));
        self.driver.set(|settings| settings.wish.batch = inputs);
        self
    }

    /// Sets the priority of all calls, overriding the priorities that `call` sets. The default
    /// keeps those.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.driver.set(|settings| settings.priority = Some(priority));
        self
    }

    /// Collects all outputs. At the first error, returns that error and cancels the rest.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let sums = each(Geometry::tasks(), 0.., |geometry, n| geometry.add(n, i64::MAX - 99)); // does not end
    /// assert_eq!(sums.try_collect::<Vec<_>>().unwrap_err().trace().item(), Some(100));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of the first call that failed: in the order of the inputs, or, with
    /// [`unordered`](Each::unordered), in the order of arrival.
    pub fn try_collect<B: std::iter::FromIterator<T>>(self) -> Result<B, CallError> {
        self.collect()
    }

    /// Returns the same results as a `Stream`, for async code.
    ///
    /// ```
    /// use futures_util::TryStreamExt;
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// # pollster::block_on(async {
    /// let sums = each(Geometry::tasks(), 0..100, |geometry, n| geometry.add(n, 1)).into_stream();
    /// let sums: Vec<i64> = sums.try_collect().await?;
    /// assert_eq!(sums.len(), 100);
    /// # Ok::<(), CallError>(()) }).unwrap();
    /// ```
    pub fn into_stream(self) -> EachStream<T, D> {
        EachStream::new(self.driver)
    }
}

impl<T: Send + 'static, D: Future<Output = Infallible>> Iterator for Each<T, D> {
    type Item = Result<T, CallError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.driver.next_output() {
            Some(output) => Some(Ok(output)),
            None => self.driver.wait_next(),
        }
    }
}

impl<T: Send + 'static, D: Future<Output = Infallible>> FusedIterator for Each<T, D> {}

impl<T, D> fmt::Debug for Each<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driver.describe(f.debug_struct("Each"))
    }
}
