//! [`Each`]: inputs in, results out, on a thread that may wait.

use super::{
    EachStream,
    driver::{self, Driver, Link},
    source::FromIterator,
    window::Window,
};
use crate::{error::CallError, executor::Executor, meta::priority::Priority, task::TaskSet, typed::Call};
use std::{convert::Infallible, fmt, future::Future, iter::FusedIterator, num::NonZero};

/// Makes a call of each input and gives the results, in the order of the inputs unless [`unordered`](Each::unordered).
///
/// `call` makes the lazy call of one input, of whatever task: `calls` is what it makes it of, the
/// typed methods of a pool, a service, a cluster or a layer, by value or by reference. Write the
/// closure into this call: elsewhere the compiler does not know that what it returns borrows from
/// what it takes. Inputs are pulled as results are taken, on the same thread, and never further
/// ahead than [`in_flight`](Each::in_flight) says; memory does not depend on how many there are.
/// Dropped midway, what is queued is cancelled, and what runs is asked to stop.
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
/// On a pool, calls of one task become one job of the pool: a batch. It begins with one input and grows as long as it takes
/// less than some 50 µs, so that tiny tasks cost little and long ones still run on all threads; one that takes long all the
/// same gives the rest of itself to the others. The tasks of a batch run one after the other, each with its hooks, its context
/// and its own outcome. The pool's figures and bounds count a batch as one call. Calls of `async` tasks, with a time limit or
/// a messenger, or around which hooks are `async`, go one by one, and so do all calls of services, clusters and layers.
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
/// Each input has its own result; [`At::item`](crate::At::item) of an error tells which it was. To stop at the first and cancel
/// the rest, [`try_collect`](Each::try_collect) them, or leave the loop. To keep them all, collect the results as they are.
/// Tasks that give a `Result` of their own keep it:
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
/// A call that finds the executor full waits for room where that is what it does; where it refuses, an input fails only while
/// nothing else of this is under way.
///
/// # Panics
///
/// What `inputs` or `call` throw passes through `next`; the inputs of the batch that was in the making are lost.
///
/// # Tasks that wait for each other
///
/// Two inputs of one batch run one after the other, so a task that waits for what another input's task does, past the calls of
/// this library, may wait for ever: give such work a [`batch`](Each::batch) of one.
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

/// The results of calls in bulk, as an iterator: made by [`each`].
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
    /// Gives each result as soon as it is there. Those of one batch come together.
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

    /// How many inputs are taken ahead of the results at most; zero counts as one. The default is a few batches a thread of a
    /// pool, some thousand inputs, and 4,096 where calls go one by one.
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
    pub fn in_flight(mut self, inputs: usize) -> Self {
        let inputs = NonZero::new(inputs).unwrap_or(NonZero::<usize>::MIN);
        self.driver.set(|settings| settings.wish.in_flight = Some(inputs));
        self
    }

    /// Puts so many inputs into each batch, instead of as many as their time suggests; zero counts as one. With one, each
    /// input is a call by itself.
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
    /// assert_eq!(pool.completed(), 10); // calls of the pool
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn batch(mut self, inputs: usize) -> Self {
        let inputs = NonZero::new(inputs).unwrap_or(NonZero::<usize>::MIN);
        self.driver.set(|settings| settings.wish.batch = Some(inputs));
        self
    }

    /// How urgent all of the calls are, whatever `call` says. The default is what it says.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.driver.set(|settings| settings.priority = Some(priority));
        self
    }

    /// Collects the outputs of all, or gives the first error and cancels the rest.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let sums = each(Geometry::tasks(), 0.., |geometry, n| geometry.add(n, i64::MAX - 99)); // does not end
    /// assert_eq!(sums.try_collect::<Vec<_>>().unwrap_err().at().item(), Some(100));
    /// ```
    ///
    /// # Errors
    ///
    /// That of the first call that failed: of those in order, or as they came.
    pub fn try_collect<B: std::iter::FromIterator<T>>(self) -> Result<B, CallError> {
        self.collect()
    }

    /// The same results as a `Stream`, for async code.
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
