impl<T, const N: usize> Stack<T, N>
where
    T: Clone + Send,
{
    #[allow(clippy::needless_pass_by_value)]
    #[cfg(unix)]
    pub fn twice(item: T) -> Option<(T, Self)> {
        None
    }
    pub async fn items(&self) -> Vec<T> {
        self.items.clone()
    }
}
#[doc(hidden)]
mod only_one_define_block_for_Stack_T_N {
    macro_rules! items {
        (block_1283582cdfbc3073 $($items:tt)*) => {
            $($items)*
        };
        ($($items:tt)*) => {};
    }
    pub(super) use items;
}
#[doc(hidden)]
mod use_define_name_for_a_second_Pile {
    macro_rules! items {
        (block_1283582cdfbc3073 $($items:tt)*) => {
            $($items)*
        };
        ($($items:tt)*) => {};
    }
    pub(super) use items;
}
/// The tasks of `Stack`, their arguments as fields.
#[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
pub enum PileTask<T, const N: usize>
where
    T: Clone + Send,
    T: 'static,
{
    /// The task `Stack::twice`.
    #[cfg(unix)]
    Double {
        /// The argument `item`.
        item: T,
    },
    /// The task `Stack::items`.
    Items,
    #[doc(hidden)]
    __Never(::core::convert::Infallible, ::core::marker::PhantomData<(fn() -> T,)>),
}
#[automatically_derived]
#[allow(unreachable_code)]
impl<T, const N: usize> ::core::fmt::Debug for PileTask<T, N>
where
    T: Clone + Send,
    T: 'static,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                #[cfg(unix)]
                PileTask::Double { .. } => "Double",
                PileTask::Items { .. } => "Items",
                PileTask::__Never(ref never, _) => match *never {}
            },
        )
    }
}
/// The outputs of the tasks of `Stack`.
#[allow(dead_code, deprecated, private_interfaces)]
pub enum PileOutput<T, const N: usize>
where
    T: Clone + Send,
    T: 'static,
{
    /// The output of `Stack::twice`.
    #[cfg(unix)]
    Double(Option<(T, Stack<T, N>)>),
    /// The output of `Stack::items`.
    Items(Vec<T>),
    #[doc(hidden)]
    __Never(::core::convert::Infallible, ::core::marker::PhantomData<(fn() -> T,)>),
}
#[automatically_derived]
#[allow(unreachable_code)]
impl<T, const N: usize> ::core::fmt::Debug for PileOutput<T, N>
where
    T: Clone + Send,
    T: 'static,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                #[cfg(unix)]
                PileOutput::Double { .. } => "Double",
                PileOutput::Items { .. } => "Items",
                PileOutput::__Never(ref never, _) => match *never {}
            },
        )
    }
}
/// The typed calls of the tasks of `Stack`, run by `E`.
pub struct PileCalls<E, T, const N: usize>
where
    T: Clone + Send,
    T: 'static,
{
    executor: E,
    set: ::core::marker::PhantomData<(fn() -> T,)>,
}
#[automatically_derived]
impl<E, T, const N: usize> ::core::clone::Clone for PileCalls<E, T, N>
where
    T: Clone + Send,
    T: 'static,
    E: ::core::clone::Clone,
{
    fn clone(&self) -> Self {
        PileCalls {
            executor: ::core::clone::Clone::clone(&self.executor),
            set: ::core::marker::PhantomData,
        }
    }
}
#[automatically_derived]
impl<E, T, const N: usize> ::core::fmt::Debug for PileCalls<E, T, N>
where
    T: Clone + Send,
    T: 'static,
    E: ::core::fmt::Debug,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PileCalls").field("executor", &self.executor).finish()
    }
}
#[allow(clippy::used_underscore_binding)]
impl<E, T, const N: usize> PileCalls<E, T, N>
where
    T: Clone + Send,
    T: 'static,
    E: ::nanolith::Executor<Stack<T, N>>,
{
    #[cfg(unix)]
    /// Returns a call of `Stack::twice`.
    #[track_caller]
    pub fn double(
        &self,
        item: T,
    ) -> ::nanolith::Call<'_, Stack<T, N>, E, Option<(T, Stack<T, N>)>> {
        ::nanolith::Call::new(
            &self.executor,
            PileTask::Double { item },
            |output| match output {
                PileOutput::Double(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
    /// Returns a call of `Stack::items`.
    #[track_caller]
    pub fn items(&self) -> ::nanolith::Call<'_, Stack<T, N>, E, Vec<T>>
    where
        E: ::nanolith::executor::SharesState<Stack<T, N>>,
    {
        ::nanolith::Call::new(
            &self.executor,
            PileTask::Items {},
            |output| match output {
                PileOutput::Items(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
}
#[automatically_derived]
#[allow(dead_code, deprecated, unreachable_code)]
impl<T, const N: usize> ::nanolith::TaskSet for Stack<T, N>
where
    T: Clone + Send,
    T: 'static,
{
    type Task = PileTask<T, N>;
    type Output = PileOutput<T, N>;
    type Calls<E> = PileCalls<E, T, N>;
    type Shared = ::std::sync::Arc<Self>;
    const NAME: &'static str = "Stack";
    const IDENTIFIER: &'static str = "stack";
    const TASKS: &'static [::nanolith::task::TaskInfo] = &[
        #[cfg(unix)]
        ::nanolith::task::TaskInfo::new("Stack", "double", "stack::double")
            .arguments(&[("item", "T")])
            .output("Option<(T, Self)>")
            .size(::core::mem::size_of::<(T,)>())
            .idempotent(),
        ::nanolith::task::TaskInfo::new("Stack", "items", "stack::items")
            .arguments(&[])
            .output("Vec<T>")
            .size(::core::mem::size_of::<()>())
            .receiver(::nanolith::task::Receiver::Shared)
            .asynchronous(),
    ];
    fn task_info(task: &Self::Task) -> &'static ::nanolith::task::TaskInfo {
        let index: usize = match *task {
            #[cfg(unix)]
            PileTask::Double { .. } => 0,
            PileTask::Items { .. } => const { 0 + <[()]>::len(&[#[cfg(unix)] ()]) }
            PileTask::__Never(never, _) => match never {}
        };
        &<Self as ::nanolith::TaskSet>::TASKS[index]
    }
    fn duplicate(task: &Self::Task) -> ::core::option::Option<Self::Task> {
        match task {
            #[cfg(unix)]
            PileTask::Double { item } => {
                ::core::option::Option::Some(PileTask::Double {
                    item: ::core::clone::Clone::clone(item),
                })
            }
            _ => ::core::option::Option::None,
        }
    }
    fn run(
        task: Self::Task,
        scope: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        match task {
            #[cfg(unix)]
            PileTask::Double { item } => {
                ::nanolith::__private::apart(move || {
                    ::nanolith::__private::Run::Done(
                        PileOutput::Double(Self::twice(item)),
                    )
                })
            }
            PileTask::Items {} => {
                ::nanolith::__private::apart(move || {
                    let state = scope.reader();
                    scope
                        .spawn_unless_task_local(async move {
                            PileOutput::Items(Self::items(&state).await)
                        })
                })
            }
        }
    }
    fn run_boxed(
        input: ::std::boxed::Box<::nanolith::__private::Input<Self>>,
        scope: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        match input.task {
            #[cfg(unix)]
            PileTask::Double { .. } => {
                ::nanolith::__private::apart_boxed(
                    input,
                    scope,
                    |input, scope| {
                        let PileTask::Double { item } = input.task else {
                            ::core::unreachable!()
                        };
                        ::nanolith::__private::Run::Done(
                            PileOutput::Double(Self::twice(item)),
                        )
                    },
                )
            }
            _ => <Self as ::nanolith::TaskSet>::run(input.task, scope),
        }
    }
    fn calls<E>(executor: E) -> Self::Calls<E> {
        PileCalls {
            executor,
            set: ::core::marker::PhantomData,
        }
    }
}
#[allow(clippy::self_named_constructors)]
impl<T, const N: usize> Stack<T, N>
where
    T: Clone + Send,
    T: 'static,
{
    /// Returns the typed calls of `Stack`, run by the global pool.
    #[must_use]
    pub fn tasks() -> &'static PileCalls<::nanolith::pool::GlobalPool, T, N> {
        const {
            &PileCalls {
                executor: ::nanolith::pool::GlobalPool,
                set: ::core::marker::PhantomData,
            }
        }
    }
    /// Returns the typed calls of `Stack`, run by `executor`: a pool, or another.
    #[must_use]
    pub fn on<E>(executor: &E) -> PileCalls<E, T, N>
    where
        E: ::core::clone::Clone + ::nanolith::Executor<Self>,
    {
        <Self as ::nanolith::TaskSet>::calls(::core::clone::Clone::clone(executor))
    }
    /// Returns the builder of a service of `Stack`.
    pub fn service(
        state: Self,
    ) -> ::nanolith::service::ServiceBuilder<Self, ::core::convert::Infallible, Self>
    where
        Self: ::nanolith::__private::Handed,
    {
        ::nanolith::service::ServiceBuilder::with_state(state)
    }
    /// Returns a state to share between the tasks of a pool. Its `.on(&pool)` returns the typed calls.
    pub fn shared(state: ::std::sync::Arc<Self>) -> ::nanolith::pool::SharedState<Self> {
        ::nanolith::pool::SharedState::new(state)
    }
}
