//! The methods of [`Pipeline`] that add a stage: a stage of calls, of calls for batches, or of a
//! plain function.

use super::{
    Pipeline,
    batch_size::Size,
    call_stage::{self, Make},
    channel::{Reader, Writer},
    config::{Batches, Calls, Functions, Settings},
    error::Cause,
    input::{BatchInput as BatchFeed, Input, SingleInput},
    map_stage::{self, OrderGate},
    plan::{Plan, Starting},
    stage_stats::StageMetrics,
};
use crate::{
    error::BoxError, executor::Executor, meta::priority::Priority, pool::Pool, task::TaskSet, typed::Call, util::unwind,
};
use std::{any, collections::VecDeque, sync::Arc};

impl<T: Send + 'static, K> Pipeline<T, K> {
    /// Adds a stage that makes a call for each item: a task on a pool, a service, a cluster, or any
    /// other executor.
    ///
    /// `target` is the value that the calls are made on: `Geometry::tasks()`,
    /// `Geometry::on(&pool)`, or a clone of a [`Service`](crate::service::Service) or
    /// [`Cluster`](crate::cluster::Cluster). The methods that follow set how the stage runs. By
    /// default, it runs one call at a time, in order.
    ///
    /// If a full executor waits for capacity ([`OnFull::Wait`](crate::executor::OnFull::Wait)), the
    /// stage waits too. A call that ends without its output is the item's error.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// # use nanolith_doc_sets::*;
    /// let counter = Counter::service(10).launch().wait()?;
    /// let totals = Pipeline::from_iter(1..=3)
    ///     .stage(Geometry::tasks(), |geometry, n| geometry.add(n, n)).concurrency(4)
    ///     .stage(counter, |counter, n| counter.bump(n))
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(totals.items, [12, 16, 22]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stage<C, S, E, O, F>(self, target: C, call: F) -> Pipeline<O, Calls>
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        O: Send + 'static,
        F: for<'a> Fn(&'a C, T) -> Call<'a, S, E, O> + Send + Sync + 'static,
    {
        self.calls(target, call, Ok, Settings::default(), |input, _, _| SingleInput::new(input))
    }

    /// Like [`stage`](Pipeline::stage), for tasks that return a `Result`: an `Err` is the item's
    /// error, as [`Cause::Task`].
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let numbers = Pipeline::from_iter(["4", "5"].map(String::from))
    ///     .try_stage(Geometry::tasks(), |geometry, text| geometry.parse(text))
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(numbers.items, [4, 5]);
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn try_stage<C, S, E, O, X, F>(self, target: C, call: F) -> Pipeline<O, Calls>
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        O: Send + 'static,
        X: Into<BoxError> + 'static,
        F: for<'a> Fn(&'a C, T) -> Call<'a, S, E, Result<O, X>> + Send + Sync + 'static,
    {
        self.calls(target, call, own_result, Settings::default(), |input, _, _| SingleInput::new(input))
    }

    /// Adds a stage that makes one call for all items that wait for it, in batches whose size
    /// follows the rate of the stage: see [`sizes`](Pipeline::sizes) and
    /// [`latency`](Pipeline::latency). The output of each call is one item.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// let sums = Pipeline::from_iter(1..=1_000)
    ///     .batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!(sums.items.iter().sum::<i64>(), 500_500);
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn batched<C, S, E, O, F>(self, target: C, call: F) -> Pipeline<O, Batches>
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        O: Send + 'static,
        F: for<'a> Fn(&'a C, Vec<T>) -> Call<'a, S, E, O> + Send + Sync + 'static,
    {
        self.calls(target, call, Ok, Settings::of_batches(), batches)
    }

    /// Like [`batched`](Pipeline::batched), for tasks that return a `Result`: an `Err` is the error
    /// of all items of the batch.
    ///
    /// ```
    /// use nanolith::{pipeline::{OnError, Pipeline}, prelude::*, time::MINUTE};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry {
    /// #     pub fn sum(of: Vec<u8>) -> Result<u8, &'static str> {
    /// #         of.iter().try_fold(0_u8, |sum, n| sum.checked_add(*n)).ok_or("too much")
    /// #     }
    /// # }
    /// let sums = Pipeline::from_iter([100, 100, 100, 200])
    ///     .try_batched(Geometry::tasks(), |geometry, numbers| geometry.sum(numbers))
    ///     .sizes(2..=2).latency(MINUTE)
    ///     .on_error(OnError::Skip)
    ///     .collect()
    ///     .wait()?;
    /// assert_eq!((sums.items, sums.report.failed), (vec![200], 2));
    /// # Ok::<(), nanolith::pipeline::ItemError>(())
    /// ```
    pub fn try_batched<C, S, E, O, X, F>(self, target: C, call: F) -> Pipeline<O, Batches>
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        O: Send + 'static,
        X: Into<BoxError> + 'static,
        F: for<'a> Fn(&'a C, Vec<T>) -> Call<'a, S, E, Result<O, X>> + Send + Sync + 'static,
    {
        self.calls(target, call, own_result, Settings::of_batches(), batches)
    }

    /// Adds a stage that runs a function on each item, on the threads of `pool`. It is made for
    /// tiny items. A piece of work runs the function on many items and takes about 30 µs, so each
    /// item costs little more than its run.
    ///
    /// [`concurrency`](Pipeline::concurrency) sets the number of threads. The stage takes no place
    /// in the pool's queue and continues while the pool is paused. A function that blocks should do
    /// so within [`block_in_place`](crate::context::block_in_place), unless it blocks in a wait of
    /// this crate.
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, prelude::*};
    /// # pub struct Geometry;
    /// # #[define] impl Geometry { pub fn double(x: i64) -> i64 { x * 2 } }
    /// let pool = Pool::builder().build()?;
    /// let doubled = Pipeline::from_iter(0..10_000).map(&pool, Geometry::double).buffer(1_024).collect().wait()?;
    /// assert_eq!(doubled.items[9_999], 19_998);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<O, F>(self, pool: &Pool, function: F) -> Pipeline<O, Functions>
    where
        O: Send + 'static,
        F: Fn(T) -> O + Send + Sync + 'static,
    {
        let name = any::type_name::<F>();
        self.functions(pool, name, move |item| Ok(function(item)))
    }

    /// Like [`map`](Pipeline::map), for functions that return a `Result`: an `Err` is the item's
    /// error, as [`Cause::Task`].
    ///
    /// ```
    /// use nanolith::{pipeline::Pipeline, pool::GlobalPool, prelude::*};
    /// let failed = Pipeline::from_iter(["4", "five"])
    ///     .try_map(GlobalPool.get()?, |text| text.parse::<i64>())
    ///     .collect()
    ///     .wait();
    /// assert_eq!(failed.unwrap_err().index(), 1);
    /// # Ok::<(), nanolith::pool::BuildError>(())
    /// ```
    pub fn try_map<O, X, F>(self, pool: &Pool, function: F) -> Pipeline<O, Functions>
    where
        O: Send + 'static,
        X: Into<BoxError> + 'static,
        F: Fn(T) -> Result<O, X> + Send + Sync + 'static,
    {
        let name = any::type_name::<F>();
        self.functions(pool, name, move |item| own_result(function(item)))
    }

    fn calls<C, S, E, I, V, O, F, M, N>(
        self,
        target: C,
        call: F,
        finish: fn(V) -> Result<O, Cause>,
        settings: Settings,
        feed: impl FnOnce(Reader<T>, &Settings, &Arc<StageMetrics>) -> M + Send + 'static,
    ) -> Pipeline<O, N>
    where
        C: Send + Sync + 'static,
        S: TaskSet,
        E: Executor<S> + ?Sized + 'static,
        I: Send + 'static,
        V: 'static,
        O: Send + 'static,
        F: for<'a> Fn(&'a C, I) -> Call<'a, S, E, V> + Send + Sync + 'static,
        M: Input<I>,
    {
        let gauge = self.plan.run.add_stage();
        let make: Make<I, O> = call_stage::make(target, call, finish, gauge.clone());
        Pipeline::of(self.plan.add(settings, gauge, move |starting, settings, gauge, input, out| {
            let parts = (feed(input, settings, gauge), make, out);
            let run = starting.run.clone();
            let calls = call_stage::Calls::new(parts, settings.concurrency, settings.ordered, gauge.clone(), run);
            // This future only makes calls and passes on their results. If it waited behind other
            // work, a whole stage would be idle.
            starting.run.spawn(starting.global, Priority::Immediate, gauge, calls);
        }))
    }

    fn functions<O, F>(self, pool: &Pool, name: &'static str, function: F) -> Pipeline<O, Functions>
    where
        O: Send + 'static,
        F: Fn(T) -> Result<O, Cause> + Send + Sync + 'static,
    {
        let (function, pool, gauge) = (Arc::new(function), pool.clone(), self.plan.run.add_stage());
        let plan = self.plan.add(Settings::default(), gauge, move |starting, settings, gauge, input, out| {
            if let Some(name) = own_name(name) {
                gauge.name_it(|| name.into());
            }
            start_functions(starting, settings, gauge, &pool, (&function, input, out));
        });
        Pipeline::of(plan)
    }
}

fn start_functions<I, O, F>(
    starting: &Starting<'_>,
    settings: &Settings,
    gauge: &Arc<StageMetrics>,
    pool: &Pool,
    (function, input, out): (&Arc<F>, Reader<I>, Writer<O>),
) where
    I: Send + 'static,
    O: Send + 'static,
    F: Fn(I) -> Result<O, Cause> + Send + Sync + 'static,
{
    let turns = (settings.ordered && settings.concurrency > 1).then(Arc::<OrderGate>::default);
    // A batch leaves room for the next, so that the stages before and after have work in the
    // meantime.
    let most = (*map_stage::SIZES.end()).min(input.places().div_ceil(2));
    for _ in 0..settings.concurrency.min(map_stage::FUTURES.max(pool.max_concurrency())) {
        let worker = map_stage::Functions {
            function: function.clone(),
            input: input.clone(),
            out: out.clone(),
            turns: turns.clone(),
            gauge: gauge.clone(),
            run: starting.run.clone(),
            size: Size::new(&(*map_stage::SIZES.start()..=most), map_stage::TARGET),
            taken: VecDeque::new(),
            made: VecDeque::new(),
            batch: None,
        };
        starting.run.spawn(pool, Priority::Normal, gauge, worker);
    }
    // A panic in the drop of the function must not leave this function.
    unwind::ignore_panics(|| drop((input, out)));
}

fn batches<T: Send + 'static>(input: Reader<T>, settings: &Settings, gauge: &Arc<StageMetrics>) -> BatchFeed<T> {
    BatchFeed::new(input, settings.size(), settings.latency, gauge.clone())
}

fn own_result<O, X: Into<BoxError>>(result: Result<O, X>) -> Result<O, Cause> {
    result.map_err(Cause::task)
}

/// Returns the last part of a function's path. The path of a closure has no name.
fn own_name(path: &'static str) -> Option<&'static str> {
    let name = path.rsplit("::").next()?;
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
}

impl<T, K> Pipeline<T, K> {
    pub(super) fn of(plan: Plan<T>) -> Self {
        Self { plan, kind: std::marker::PhantomData }
    }
}
