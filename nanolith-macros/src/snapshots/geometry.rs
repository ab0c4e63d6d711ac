impl Geometry {
    /// Adds two numbers.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
    #[allow(clippy::needless_pass_by_value)]
    pub fn parse(text: String) -> Result<i64, ParseIntError> {
        text.parse()
    }
    pub async fn wait_then_add(x: i64, y: i64) -> i64 {
        sleep(SECOND).await;
        x + y
    }
    #[allow(clippy::needless_pass_by_value)]
    pub fn sum(of: Vec<i64>) -> Step<i64> {
        add_on(0, of)
    }
    fn helper() {}
}
#[doc(hidden)]
mod only_one_define_block_for_Geometry {
    macro_rules! items {
        (block_bf8ba2fb750ad429 $($items:tt)*) => {
            $($items)*
        };
        ($($items:tt)*) => {};
    }
    pub(super) use items;
}
/// The tasks of `Geometry`, their arguments as fields.
#[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
pub enum GeometryTask {
    /// The task `Geometry::add`.
    Add {
        /// The argument `x`.
        x: i64,
        /// The argument `y`.
        y: i64,
    },
    /// The task `Geometry::parse`.
    Parse {
        /// The argument `text`.
        text: String,
    },
    /// The task `Geometry::wait_then_add`.
    WaitThenAdd {
        /// The argument `x`.
        x: i64,
        /// The argument `y`.
        y: i64,
    },
    /// The task `Geometry::sum`.
    Sum {
        /// The argument `of`.
        of: Vec<i64>,
    },
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for GeometryTask {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                GeometryTask::Add { .. } => "Add",
                GeometryTask::Parse { .. } => "Parse",
                GeometryTask::WaitThenAdd { .. } => "WaitThenAdd",
                GeometryTask::Sum { .. } => "Sum",
            },
        )
    }
}
/// The outputs of the tasks of `Geometry`.
#[allow(dead_code, deprecated, private_interfaces)]
pub enum GeometryOutput {
    /// The output of `Geometry::add`.
    Add(i64),
    /// The output of `Geometry::parse`.
    Parse(Result<i64, ParseIntError>),
    /// The output of `Geometry::wait_then_add`.
    WaitThenAdd(i64),
    /// The output of `Geometry::sum`.
    Sum(i64),
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for GeometryOutput {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                GeometryOutput::Add { .. } => "Add",
                GeometryOutput::Parse { .. } => "Parse",
                GeometryOutput::WaitThenAdd { .. } => "WaitThenAdd",
                GeometryOutput::Sum { .. } => "Sum",
            },
        )
    }
}
/// The typed calls of the tasks of `Geometry`, run by `E`.
pub struct GeometryCalls<E> {
    executor: E,
}
#[automatically_derived]
impl<E> ::core::clone::Clone for GeometryCalls<E>
where
    E: ::core::clone::Clone,
{
    fn clone(&self) -> Self {
        GeometryCalls {
            executor: ::core::clone::Clone::clone(&self.executor),
        }
    }
}
#[automatically_derived]
impl<E> ::core::fmt::Debug for GeometryCalls<E>
where
    E: ::core::fmt::Debug,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("GeometryCalls").field("executor", &self.executor).finish()
    }
}
#[allow(clippy::used_underscore_binding)]
impl<E> GeometryCalls<E>
where
    E: ::nanolith::Executor<Geometry>,
{
    /// Adds two numbers.
    #[track_caller]
    pub fn add(&self, x: i64, y: i64) -> ::nanolith::Call<'_, Geometry, E, i64> {
        ::nanolith::Call::new(
            &self.executor,
            GeometryTask::Add { x, y },
            |output| match output {
                GeometryOutput::Add(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
    /// Returns a call of `Geometry::parse`.
    #[track_caller]
    pub fn parse(
        &self,
        text: String,
    ) -> ::nanolith::Call<'_, Geometry, E, Result<i64, ParseIntError>> {
        ::nanolith::Call::new(
            &self.executor,
            GeometryTask::Parse { text },
            |output| match output {
                GeometryOutput::Parse(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
    /// Returns a call of `Geometry::wait_then_add`.
    #[track_caller]
    pub fn wait_then_add(
        &self,
        x: i64,
        y: i64,
    ) -> ::nanolith::Call<'_, Geometry, E, i64> {
        ::nanolith::Call::new(
            &self.executor,
            GeometryTask::WaitThenAdd { x, y },
            |output| match output {
                GeometryOutput::WaitThenAdd(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
    /// Returns a call of `Geometry::sum`.
    #[track_caller]
    pub fn sum(&self, of: Vec<i64>) -> ::nanolith::Call<'_, Geometry, E, i64> {
        ::nanolith::Call::new(
            &self.executor,
            GeometryTask::Sum { of },
            |output| match output {
                GeometryOutput::Sum(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
}
#[automatically_derived]
#[allow(dead_code, deprecated, unreachable_code)]
impl ::nanolith::TaskSet for Geometry {
    type Task = GeometryTask;
    type Output = GeometryOutput;
    type Calls<E> = GeometryCalls<E>;
    type Shared = ::nanolith::__private::NoState;
    const NAME: &'static str = "Geometry";
    const IDENTIFIER: &'static str = ::core::concat!(
        ::core::module_path!(), "::Geometry"
    );
    const TASKS: &'static [::nanolith::task::TaskInfo] = &[
        ::nanolith::task::TaskInfo::new(
                "Geometry",
                "add",
                ::core::concat!(::core::module_path!(), "::Geometry::add"),
            )
            .arguments(&[("x", "i64"), ("y", "i64")])
            .output("i64")
            .size(::core::mem::size_of::<(i64, i64)>()),
        ::nanolith::task::TaskInfo::new(
                "Geometry",
                "parse",
                ::core::concat!(::core::module_path!(), "::Geometry::parse"),
            )
            .arguments(&[("text", "String")])
            .output("Result<i64, ParseIntError>")
            .size(::core::mem::size_of::<(String,)>()),
        ::nanolith::task::TaskInfo::new(
                "Geometry",
                "wait_then_add",
                ::core::concat!(::core::module_path!(), "::Geometry::wait_then_add"),
            )
            .arguments(&[("x", "i64"), ("y", "i64")])
            .output("i64")
            .size(::core::mem::size_of::<(i64, i64)>())
            .asynchronous(),
        ::nanolith::task::TaskInfo::new(
                "Geometry",
                "sum",
                ::core::concat!(::core::module_path!(), "::Geometry::sum"),
            )
            .arguments(&[("of", "Vec<i64>")])
            .output("i64")
            .size(::core::mem::size_of::<(Vec<i64>,)>())
            .asynchronous(),
    ];
    fn task_info(task: &Self::Task) -> &'static ::nanolith::task::TaskInfo {
        let index: usize = match *task {
            GeometryTask::Add { .. } => 0,
            GeometryTask::Parse { .. } => 1,
            GeometryTask::WaitThenAdd { .. } => 2,
            GeometryTask::Sum { .. } => 3,
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
                (&&&&&&::nanolith::__private::Probe::<Result<i64, ParseIntError>>::NEW)
                    .nanolith_error_view(),
            ],
        )
    }
    fn run(
        task: Self::Task,
        scope: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        match task {
            GeometryTask::Add { x, y } => {
                ::nanolith::__private::apart(move || {
                    ::nanolith::__private::Run::Done(
                        GeometryOutput::Add(Self::add(x, y)),
                    )
                })
            }
            GeometryTask::Parse { text } => {
                ::nanolith::__private::apart(move || {
                    ::nanolith::__private::Run::Done(
                        GeometryOutput::Parse(Self::parse(text)),
                    )
                })
            }
            GeometryTask::WaitThenAdd { x, y } => {
                ::nanolith::__private::apart(move || {
                    scope
                        .spawn_unless_task_local(async move {
                            GeometryOutput::WaitThenAdd(Self::wait_then_add(x, y).await)
                        })
                })
            }
            GeometryTask::Sum { of } => {
                ::nanolith::__private::apart(move || {
                    scope
                        .spawn_unless_task_local(async move {
                            GeometryOutput::Sum(
                                ::nanolith::__private::steps(Self::sum(of)).await,
                            )
                        })
                })
            }
        }
    }
    fn calls<E>(executor: E) -> Self::Calls<E> {
        GeometryCalls { executor }
    }
}
#[allow(clippy::self_named_constructors)]
impl Geometry {
    /// Returns the typed calls of `Geometry`, run by the global pool.
    #[must_use]
    pub fn tasks() -> &'static GeometryCalls<::nanolith::pool::GlobalPool> {
        const {
            &GeometryCalls {
                executor: ::nanolith::pool::GlobalPool,
            }
        }
    }
    /// Returns the typed calls of `Geometry`, run by `executor`: a pool, or another.
    #[must_use]
    pub fn on<E>(executor: &E) -> GeometryCalls<E>
    where
        E: ::core::clone::Clone + ::nanolith::Executor<Self>,
    {
        <Self as ::nanolith::TaskSet>::calls(::core::clone::Clone::clone(executor))
    }
    /// Returns the builder of a service of `Geometry`.
    pub fn service() -> ::nanolith::service::ServiceBuilder<
        Self,
        ::core::convert::Infallible,
        (),
    > {
        ::nanolith::service::ServiceBuilder::stateless()
    }
}
#[allow(deprecated)]
const _: () = {
    ::nanolith::__private::any_returned::<Result<i64, ParseIntError>>();
};
