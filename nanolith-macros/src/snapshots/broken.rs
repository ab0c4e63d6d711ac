#[allow(dead_code, unused_imports)]
impl Broken {
    #[allow(clippy::needless_pass_by_value)]
    pub fn greet(name: &str) -> String {
        name.into()
    }
    pub fn add(x: i64) -> i64 {
        x
    }
}
#[doc(hidden)]
mod only_one_define_block_for_Broken {
    macro_rules! items {
        (block_1eea6efff0773ed8 $($items:tt)*) => {
            $($items)*
        };
        ($($items:tt)*) => {};
    }
    pub(super) use items;
}
/// The tasks of `Broken`, their arguments as fields.
#[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
pub enum BrokenTask {
    /// The task `Broken::add`.
    Add {
        /// The argument `x`.
        x: i64,
    },
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for BrokenTask {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                BrokenTask::Add { .. } => "Add",
            },
        )
    }
}
/// The outputs of the tasks of `Broken`.
#[allow(dead_code, deprecated, private_interfaces)]
pub enum BrokenOutput {
    /// The output of `Broken::add`.
    Add(i64),
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for BrokenOutput {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                BrokenOutput::Add { .. } => "Add",
            },
        )
    }
}
/// The typed calls of the tasks of `Broken`, run by `E`.
pub struct BrokenCalls<E> {
    executor: E,
}
#[automatically_derived]
impl<E> ::core::clone::Clone for BrokenCalls<E>
where
    E: ::core::clone::Clone,
{
    fn clone(&self) -> Self {
        BrokenCalls {
            executor: ::core::clone::Clone::clone(&self.executor),
        }
    }
}
#[automatically_derived]
impl<E> ::core::fmt::Debug for BrokenCalls<E>
where
    E: ::core::fmt::Debug,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("BrokenCalls").field("executor", &self.executor).finish()
    }
}
#[allow(unused_variables)]
impl<E> BrokenCalls<E>
where
    E: ::nanolith::Executor<Broken>,
{
    /// Returns a call of `Broken::greet`.
    #[track_caller]
    pub fn greet(
        &self,
        name: impl ::core::marker::Sized,
    ) -> ::nanolith::Call<'_, Broken, E, String> {
        ::core::unimplemented!()
    }
    /// Returns a call of `Broken::add`.
    #[track_caller]
    pub fn add(&self, x: i64) -> ::nanolith::Call<'_, Broken, E, i64> {
        ::core::unimplemented!()
    }
}
#[automatically_derived]
#[allow(dead_code, deprecated, unreachable_code)]
impl ::nanolith::TaskSet for Broken {
    type Task = BrokenTask;
    type Output = BrokenOutput;
    type Calls<E> = BrokenCalls<E>;
    type Shared = ::nanolith::__private::NoState;
    const NAME: &'static str = "Broken";
    const IDENTIFIER: &'static str = ::core::concat!(::core::module_path!(), "::Broken");
    const TASKS: &'static [::nanolith::task::TaskInfo] = &[
        ::nanolith::task::TaskInfo::new(
                "Broken",
                "add",
                ::core::concat!(::core::module_path!(), "::Broken::add"),
            )
            .arguments(&[("x", "i64")])
            .output("i64")
            .size(::core::mem::size_of::<(i64,)>()),
    ];
    fn task_info(_: &Self::Task) -> &'static ::nanolith::task::TaskInfo {
        ::core::unimplemented!()
    }
    fn run(
        _: Self::Task,
        _: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        ::core::unimplemented!()
    }
    fn calls<E>(executor: E) -> Self::Calls<E> {
        BrokenCalls { executor }
    }
}
#[allow(clippy::self_named_constructors)]
impl Broken {
    /// Returns the typed calls of `Broken`, run by the global pool.
    #[must_use]
    pub fn tasks() -> &'static BrokenCalls<::nanolith::pool::GlobalPool> {
        const {
            &BrokenCalls {
                executor: ::nanolith::pool::GlobalPool,
            }
        }
    }
    /// Returns the typed calls of `Broken`, run by `executor`: a pool, or another.
    #[must_use]
    pub fn on<E>(executor: &E) -> BrokenCalls<E>
    where
        E: ::core::clone::Clone + ::nanolith::Executor<Self>,
    {
        <Self as ::nanolith::TaskSet>::calls(::core::clone::Clone::clone(executor))
    }
    /// Launches nothing: the build has failed.
    #[allow(unused_variables)]
    pub fn service() -> ::nanolith::service::ServiceBuilder<
        Self,
        ::core::convert::Infallible,
        (),
    > {
        ::core::unimplemented!()
    }
}
