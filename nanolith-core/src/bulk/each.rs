//! [`Each`]: inputs in, results out, on a thread that may wait.

use super::{
    EachStream,
    source::{FromIterator, Source},
    window::Window,
};
use crate::{error::CallError, executor::Executor, priority::Priority, task::TaskSet, typed::Call};
use std::{fmt, iter::FusedIterator, num::NonZero};

/// Makes a call of each input and gives the results, in the order of the inputs unless [`unordered`](Each::unordered).
///
/// `call` makes the lazy call of one input, of whatever task: `calls` is what it makes it of, the typed methods of a pool, a
/// service, a cluster or a layer. Inputs are pulled as results are taken, on the same thread, and never further ahead than
/// [`in_flight`](Each::in_flight) says; memory does not depend on how many there are. Dropped midway, what is queued is
/// cancelled, and what runs is asked to stop.
///
/// ```
/// use nanolith::bulk::each;
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let mut sum = 0;
/// for added in each(Geometry::tasks(), 0..10_000, |geometry, n| geometry.add(n, 1)) {
///     sum += added?;
/// }
/// assert_eq!(sum, 50_005_000);
/// # Ok::<(), CallError>(())
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
/// # pub struct Counter { total: i64 }
/// # #[define] impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
/// #     pub fn bump(&mut self, by: i64) -> i64 { self.total += by; self.total }
/// # }
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
/// # pub struct Geometry;
/// # #[define] impl Geometry {
/// #     pub fn parse(text: String) -> Result<i64, std::num::ParseIntError> { text.parse() }
/// # }
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
pub fn each<'a, C, I, F, S, E, T>(
    calls: &'a C,
    inputs: I,
    call: F,
) -> Each<'a, S, E, T, FromIterator<'a, C, I::IntoIter, F>>
where
    C: ?Sized,
    I: IntoIterator,
    F: FnMut(&'a C, I::Item) -> Call<'a, S, E, T>,
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
{
    Each { window: Window::new(FromIterator { calls, inputs: inputs.into_iter(), call }) }
}

/// The results of calls in bulk, as an iterator: made by [`each`].
///
/// ```
/// use nanolith::bulk::each;
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
/// let sums = each(Geometry::tasks(), 0..100, |geometry, n| geometry.add(n, 1));
/// let sums: Vec<i64> = sums.unordered().in_flight(32).priority(Priority::Low).try_collect()?;
/// assert_eq!(sums.iter().sum::<i64>(), 5_050);
/// # Ok::<(), CallError>(())
/// ```
#[must_use = "it takes no input until a result is asked for"]
pub struct Each<'a, S: TaskSet, E: Executor<S> + ?Sized, T, M> {
    window: Window<'a, S, E, T, M>,
}

#[allow(private_bounds)] // whoever has one made it with `each`
impl<'a, S, E, T, M> Each<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    /// Gives each result as soon as it is there. Those of one batch come together.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let sums = each(Geometry::tasks(), [1, 2, 3], |geometry, n| geometry.add(n, n)).unordered();
    /// let mut sums: Vec<i64> = sums.try_collect()?;
    /// sums.sort();
    /// assert_eq!(sums, [2, 4, 6]);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn unordered(mut self) -> Self {
        self.window.unordered();
        self
    }

    /// How many inputs are taken ahead of the results at most; zero counts as one. The default is a few batches a thread of a
    /// pool, some thousand inputs, and 4,096 where calls go one by one.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # use std::cell::Cell;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// let taken = Cell::new(0);
    /// let inputs = (0..).inspect(|_| taken.set(taken.get() + 1));
    /// let mut sums = each(Geometry::tasks(), inputs, |geometry, n| geometry.add(n, n)).in_flight(8);
    /// assert_eq!(sums.next().transpose()?, Some(0));
    /// assert!(taken.get() <= 8);
    /// # Ok::<(), CallError>(())
    /// ```
    pub fn in_flight(mut self, inputs: usize) -> Self {
        self.window.wish.in_flight = Some(NonZero::new(inputs).unwrap_or(NonZero::<usize>::MIN));
        self
    }

    /// Puts so many inputs into each batch, instead of as many as their time suggests; zero counts as one. With one, each
    /// input is a call by itself.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # let pool = Pool::builder().build()?;
    /// let geometry = Geometry::on(&pool);
    /// let sums = each(&geometry, 0..100, |geometry, n| geometry.add(n, n)).batch(10);
    /// assert_eq!(sums.count(), 100);
    /// pool.drained().wait();
    /// assert_eq!(pool.completed(), 10); // calls of the pool
    /// # Ok::<(), nanolith::BuildError>(())
    /// ```
    pub fn batch(mut self, inputs: usize) -> Self {
        self.window.wish.batch = Some(NonZero::new(inputs).unwrap_or(NonZero::<usize>::MIN));
        self
    }

    /// How urgent all of the calls are, whatever `call` says. The default is what it says.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.window.priority = Some(priority);
        self
    }

    /// Collects the outputs of all, or gives the first error and cancels the rest.
    ///
    /// ```
    /// use nanolith::bulk::each;
    /// # use nanolith::prelude::*;
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn add(x: i64, y: i64) -> i64 { x.checked_add(y).expect("the sum fits") }
    /// # }
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
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn add(x: i64, y: i64) -> i64 { x + y } }
    /// # pollster::block_on(async {
    /// let sums = each(Geometry::tasks(), 0..100, |geometry, n| geometry.add(n, 1)).into_stream();
    /// let sums: Vec<i64> = sums.try_collect().await?;
    /// assert_eq!(sums.len(), 100);
    /// # Ok::<(), CallError>(()) }).unwrap();
    /// ```
    pub fn into_stream(self) -> EachStream<'a, S, E, T, M> {
        EachStream::new(self.window)
    }
}

impl<'a, S, E, T, M> Iterator for Each<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
    type Item = Result<T, CallError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.window.next_output() {
            Some(output) => Some(Ok(output)),
            None => self.window.wait_next(),
        }
    }
}

impl<'a, S, E, T, M> FusedIterator for Each<'a, S, E, T, M>
where
    S: TaskSet,
    E: Executor<S> + ?Sized,
    T: Send + 'static,
    M: Source<'a, S, E, T>,
{
}

impl<S: TaskSet, E: Executor<S> + ?Sized, T, M> fmt::Debug for Each<'_, S, E, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.window.describe(f.debug_struct("Each"))
    }
}
