impl Counter {
    fn start(cx: &Context<Self>, first: i64) -> Result<Self, StartError> {
        Ok(Self { total: first })
    }
    #[allow(clippy::needless_pass_by_value)]
    fn before(&self, call: &CallInfo) {}
    async fn after(&self, call: &CallInfo, outcome: Outcome) {}
    fn on_close(self) {}
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }
    pub async fn slow(&self, cx: &Context<Self>) -> i64 {
        self.total
    }
    pub(crate) fn total(&self) -> i64 {
        self.total
    }
}
#[doc(hidden)]
mod only_one_define_block_for_Counter {
    macro_rules! items {
        (block_2096d21691b8e390 $($items:tt)*) => {
            $($items)*
        };
        ($($items:tt)*) => {};
    }
    pub(super) use items;
}
/// The tasks of `Counter`, their arguments as fields.
#[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
pub enum CounterTask {
    /// The task `Counter::bump`.
    Bump {
        /// The argument `by`.
        by: i64,
    },
    /// The task `Counter::slow`.
    Slow,
    /// The task `Counter::total`.
    Total,
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for CounterTask {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                CounterTask::Bump { .. } => "Bump",
                CounterTask::Slow { .. } => "Slow",
                CounterTask::Total { .. } => "Total",
            },
        )
    }
}
/// The outputs of the tasks of `Counter`.
#[allow(dead_code, deprecated, private_interfaces)]
pub enum CounterOutput {
    /// The output of `Counter::bump`.
    Bump(i64),
    /// The output of `Counter::slow`.
    Slow(i64),
    /// The output of `Counter::total`.
    Total(i64),
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for CounterOutput {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                CounterOutput::Bump { .. } => "Bump",
                CounterOutput::Slow { .. } => "Slow",
                CounterOutput::Total { .. } => "Total",
            },
        )
    }
}
/// The typed calls of the tasks of `Counter`, run by `E`.
pub struct CounterCalls<E> {
    executor: E,
}
#[automatically_derived]
impl<E> ::core::clone::Clone for CounterCalls<E>
where
    E: ::core::clone::Clone,
{
    fn clone(&self) -> Self {
        CounterCalls {
            executor: ::core::clone::Clone::clone(&self.executor),
        }
    }
}
#[automatically_derived]
impl<E> ::core::fmt::Debug for CounterCalls<E>
where
    E: ::core::fmt::Debug,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("CounterCalls").field("executor", &self.executor).finish()
    }
}
#[allow(clippy::used_underscore_binding)]
impl<E> CounterCalls<E>
where
    E: ::nanolith::Executor<Counter>,
{
    /// Returns a call of `Counter::bump`.
    #[track_caller]
    pub fn bump(&self, by: i64) -> ::nanolith::Call<'_, Counter, E, i64>
    where
        E: ::nanolith::executor::OwnsState<Counter>,
    {
        ::nanolith::Call::new(
            &self.executor,
            CounterTask::Bump { by },
            |output| match output {
                CounterOutput::Bump(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
    /// Returns a call of `Counter::slow`.
    #[track_caller]
    pub fn slow(&self) -> ::nanolith::Call<'_, Counter, E, i64>
    where
        E: ::nanolith::executor::SharesState<Counter>,
    {
        ::nanolith::Call::new(
            &self.executor,
            CounterTask::Slow {},
            |output| match output {
                CounterOutput::Slow(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
    /// Returns a call of `Counter::total`.
    #[track_caller]
    pub(crate) fn total(&self) -> ::nanolith::Call<'_, Counter, E, i64>
    where
        E: ::nanolith::executor::SharesState<Counter>,
    {
        ::nanolith::Call::new(
            &self.executor,
            CounterTask::Total {},
            |output| match output {
                CounterOutput::Total(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
}
#[automatically_derived]
#[allow(dead_code, deprecated, unreachable_code)]
impl ::nanolith::TaskSet for Counter {
    type Task = CounterTask;
    type Output = CounterOutput;
    type Calls<E> = CounterCalls<E>;
    type Shared = ::nanolith::__private::NoState;
    const NAME: &'static str = "Counter";
    const IDENTIFIER: &'static str = ::core::concat!(
        ::core::module_path!(), "::Counter"
    );
    const TASKS: &'static [::nanolith::task::TaskInfo] = &[
        ::nanolith::task::TaskInfo::new(
                "Counter",
                "bump",
                ::core::concat!(::core::module_path!(), "::Counter::bump"),
            )
            .arguments(&[("by", "i64")])
            .output("i64")
            .size(::core::mem::size_of::<(i64,)>())
            .receiver(::nanolith::task::Receiver::Exclusive),
        ::nanolith::task::TaskInfo::new(
                "Counter",
                "slow",
                ::core::concat!(::core::module_path!(), "::Counter::slow"),
            )
            .arguments(&[])
            .output("i64")
            .size(::core::mem::size_of::<()>())
            .receiver(::nanolith::task::Receiver::Shared)
            .asynchronous(),
        ::nanolith::task::TaskInfo::new(
                "Counter",
                "total",
                ::core::concat!(::core::module_path!(), "::Counter::total"),
            )
            .arguments(&[])
            .output("i64")
            .size(::core::mem::size_of::<()>())
            .receiver(::nanolith::task::Receiver::Shared),
    ];
    const HOOKS: ::nanolith::__private::Hooks<Self> = {
        let hooks = ::nanolith::__private::Hooks::NONE;
        let hooks = hooks
            .before(
                ::nanolith::__private::Before::Shared(|state, call| <() as ::nanolith::__private::HookOutput>::into_result(
                    Self::before(state, call),
                )),
            );
        let hooks = hooks
            .after(
                ::nanolith::__private::After::SharedAsync(|state, call, outcome| ::std::boxed::Box::pin(async move {
                    <() as ::nanolith::__private::HookOutput>::into_result(
                        Self::after(&state, &call, outcome).await,
                    )
                })),
            );
        let hooks = hooks
            .on_close(
                ::nanolith::__private::OnClose::State(|state| Self::on_close(state)),
            );
        hooks
    };
    const STAYS_ON_THREAD: ::core::option::Option<&'static str> = {
        #[allow(unused_imports)]
        use ::nanolith::__private::FutureStays as _;
        ::nanolith::__private::first_reason(
            &[
                (
                    ::nanolith::__private::stays(
                        &|| {
                            ::nanolith::__private::FutureProbe::of(|| Self::slow(
                                    ::nanolith::__private::absent(),
                                    ::nanolith::__private::absent(),
                                ))
                                .nanolith_stays()
                        },
                    ),
                    "the future of the task `slow` is not `Send`, so a service of its set cannot run on a pool: hold no `Rc`, `Cell` or guard across an await (a task that takes `&self` also needs a state that is `Sync`), or leave out `.on(..)`",
                ),
                (
                    ::nanolith::__private::stays(
                        &|| {
                            ::nanolith::__private::FutureProbe::of(|| Self::after(
                                    ::nanolith::__private::absent(),
                                    ::nanolith::__private::absent(),
                                    ::nanolith::__private::absent(),
                                ))
                                .nanolith_stays()
                        },
                    ),
                    "the future of `after` is not `Send`, so a service of its set cannot run on a pool: hold no `Rc`, `Cell` or guard across an await (a task that takes `&self` also needs a state that is `Sync`), or leave out `.on(..)`",
                ),
            ],
        )
    };
    fn task_info(task: &Self::Task) -> &'static ::nanolith::task::TaskInfo {
        let index: usize = match *task {
            CounterTask::Bump { .. } => 0,
            CounterTask::Slow { .. } => 1,
            CounterTask::Total { .. } => 2,
        };
        &<Self as ::nanolith::TaskSet>::TASKS[index]
    }
    fn error_view(
        of: ::core::any::TypeId,
    ) -> ::core::option::Option<::nanolith::__private::ErrorView> {
        use ::nanolith::__private::ViewError as _;
        ::nanolith::__private::ErrorView::find(
            of,
            &[
                (&&&&&&::nanolith::__private::Probe::<Result<Counter, StartError>>::NEW)
                    .nanolith_error_view(),
            ],
        )
    }
    fn run(
        task: Self::Task,
        scope: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        match task {
            CounterTask::Bump { by } => {
                ::nanolith::__private::apart(move || {
                    ::nanolith::__private::Run::Done(
                        CounterOutput::Bump(Self::bump(&mut scope.writer(), by)),
                    )
                })
            }
            CounterTask::Slow {} => {
                ::nanolith::__private::apart(move || {
                    let cx = scope.context();
                    let state = scope.reader();
                    scope
                        .spawn_local(async move {
                            CounterOutput::Slow(Self::slow(&state, &cx).await)
                        })
                })
            }
            CounterTask::Total {} => {
                ::nanolith::__private::apart(move || {
                    ::nanolith::__private::Run::Done(
                        CounterOutput::Total(Self::total(&scope.reader())),
                    )
                })
            }
        }
    }
    fn calls<E>(executor: E) -> Self::Calls<E> {
        CounterCalls { executor }
    }
}
#[allow(clippy::self_named_constructors)]
impl Counter {
    /// Returns the typed calls of `Counter`, run by the global pool.
    #[must_use]
    pub fn tasks() -> &'static CounterCalls<::nanolith::pool::GlobalPool> {
        const {
            &CounterCalls {
                executor: ::nanolith::pool::GlobalPool,
            }
        }
    }
    /// Returns the typed calls of `Counter`, run by `executor`: a pool, or another.
    #[must_use]
    pub fn on<E>(executor: &E) -> CounterCalls<E>
    where
        E: ::core::clone::Clone + ::nanolith::Executor<Self>,
    {
        <Self as ::nanolith::TaskSet>::calls(::core::clone::Clone::clone(executor))
    }
    /// Returns the builder of a service of `Counter`, which starts with `start`.
    #[allow(deprecated, clippy::used_underscore_binding)]
    pub fn service(
        first: i64,
    ) -> ::nanolith::service::ServiceBuilder<
        Self,
        <Result<Self, StartError> as ::nanolith::__private::InitOutput<Self>>::Error,
        (i64,),
    > {
        ::nanolith::service::ServiceBuilder::init(
            (first,),
            |cx: &::nanolith::Context<Self>, (first,)| <Result<
                Self,
                StartError,
            > as ::nanolith::__private::InitOutput<
                Self,
            >>::into_result(Self::start(cx, first)),
        )
    }
}
