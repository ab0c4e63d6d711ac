pub mod geometry {
    use super::Point;
    #[allow(clippy::needless_pass_by_value)]
    pub fn move_by(point: Point, x: i64) -> Point {
        helper(point, x)
    }
    fn helper(point: Point, x: i64) -> Point {
        point + x
    }
    /// The set of tasks of the module `geometry`.
    pub struct Tasks;
    /// The tasks of `geometry`, their arguments as fields.
    #[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
    pub enum Task {
        /// The task `geometry::move_by`.
        MoveBy {
            /// The argument `point`.
            point: Point,
            /// The argument `x`.
            x: i64,
        },
    }
    #[automatically_derived]
    #[allow(unreachable_code)]
    impl ::core::fmt::Debug for Task {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.write_str(
                match *self {
                    Task::MoveBy { .. } => "MoveBy",
                },
            )
        }
    }
    /// The outputs of the tasks of `geometry`.
    #[allow(dead_code, deprecated, private_interfaces)]
    pub enum Output {
        /// The output of `geometry::move_by`.
        MoveBy(Point),
    }
    #[automatically_derived]
    #[allow(unreachable_code)]
    impl ::core::fmt::Debug for Output {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.write_str(
                match *self {
                    Output::MoveBy { .. } => "MoveBy",
                },
            )
        }
    }
    /// The typed calls of the tasks of `geometry`, run by `E`.
    pub struct Calls<E> {
        executor: E,
    }
    #[automatically_derived]
    impl<E> ::core::clone::Clone for Calls<E>
    where
        E: ::core::clone::Clone,
    {
        fn clone(&self) -> Self {
            Calls {
                executor: ::core::clone::Clone::clone(&self.executor),
            }
        }
    }
    #[automatically_derived]
    impl<E> ::core::fmt::Debug for Calls<E>
    where
        E: ::core::fmt::Debug,
    {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            f.debug_struct("Calls").field("executor", &self.executor).finish()
        }
    }
    #[allow(clippy::used_underscore_binding)]
    impl<E> Calls<E>
    where
        E: ::nanolith::Executor<Tasks>,
    {
        /// Returns a call of `geometry::move_by`.
        #[track_caller]
        pub fn move_by(
            &self,
            point: Point,
            x: i64,
        ) -> ::nanolith::Call<'_, Tasks, E, Point> {
            ::nanolith::Call::new(
                &self.executor,
                Task::MoveBy { point, x },
                |output| match output {
                    Output::MoveBy(value) => ::core::option::Option::Some(value),
                    _ => ::core::option::Option::None,
                },
            )
        }
    }
    #[automatically_derived]
    #[allow(dead_code, deprecated, unreachable_code)]
    impl ::nanolith::TaskSet for Tasks {
        type Task = Task;
        type Output = Output;
        type Calls<E> = Calls<E>;
        type Shared = ::nanolith::__private::NoState;
        const NAME: &'static str = "geometry";
        const IDENTIFIER: &'static str = ::core::module_path!();
        const TASKS: &'static [::nanolith::task::TaskInfo] = &[
            ::nanolith::task::TaskInfo::new(
                    "geometry",
                    "move_by",
                    ::core::concat!(::core::module_path!(), "::move_by"),
                )
                .arguments(&[("point", "Point"), ("x", "i64")])
                .output("Point")
                .size(::core::mem::size_of::<(Point, i64)>()),
        ];
        fn task_info(task: &Self::Task) -> &'static ::nanolith::task::TaskInfo {
            let index: usize = match *task {
                Task::MoveBy { .. } => 0,
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
                    (&&&&&&::nanolith::__private::Probe::<Point>::NEW)
                        .nanolith_error_view(),
                ],
            )
        }
        fn run(
            task: Self::Task,
            scope: &mut ::nanolith::__private::Scope<Self>,
        ) -> ::nanolith::__private::Run<Self::Output> {
            match task {
                Task::MoveBy { point, x } => {
                    ::nanolith::__private::Run::Done(
                        Output::MoveBy(self::move_by(point, x)),
                    )
                }
            }
        }
        fn run_boxed(
            input: ::std::boxed::Box<::nanolith::__private::Input<Self>>,
            scope: &mut ::nanolith::__private::Scope<Self>,
        ) -> ::nanolith::__private::Run<Self::Output> {
            match input.task {
                Task::MoveBy { .. } => {
                    ::nanolith::__private::apart_boxed(
                        input,
                        scope,
                        |input, scope| {
                            let Task::MoveBy { point, x } = input.task else {
                                ::core::unreachable!()
                            };
                            ::nanolith::__private::Run::Done(
                                Output::MoveBy(self::move_by(point, x)),
                            )
                        },
                    )
                }
                _ => <Self as ::nanolith::TaskSet>::run(input.task, scope),
            }
        }
        fn calls<E>(executor: E) -> Self::Calls<E> {
            Calls { executor }
        }
    }
    /// Returns the typed calls of `geometry`, run by the global pool.
    #[must_use]
    pub fn tasks() -> &'static Calls<::nanolith::pool::GlobalPool> {
        const {
            &Calls {
                executor: ::nanolith::pool::GlobalPool,
            }
        }
    }
    /// Returns the typed calls of `geometry`, run by `executor`: a pool, or another.
    #[must_use]
    pub fn on<E>(executor: &E) -> Calls<E>
    where
        E: ::core::clone::Clone + ::nanolith::Executor<Tasks>,
    {
        <Tasks as ::nanolith::TaskSet>::calls(::core::clone::Clone::clone(executor))
    }
    /// Returns the builder of a service of `geometry`.
    pub fn service() -> ::nanolith::service::ServiceBuilder<
        Tasks,
        ::core::convert::Infallible,
        (),
    > {
        ::nanolith::service::ServiceBuilder::stateless()
    }
    #[allow(deprecated)]
    const _: () = {
        ::nanolith::__private::any_argument::<Point>();
        ::nanolith::__private::any_returned::<Point>();
    };
}
