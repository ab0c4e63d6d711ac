impl Log {
    #[allow(clippy::needless_pass_by_value)]
    fn on_message(&mut self, cx: &Context<Self>, command: Command) {}
    pub fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }
}
#[doc(hidden)]
mod only_one_define_block_for_Log {
    macro_rules! items {
        (block_49427811927e2da5 $($items:tt)*) => {
            $($items)*
        };
        ($($items:tt)*) => {};
    }
    pub(super) use items;
}
/// The tasks of `Log`, their arguments as fields.
#[allow(dead_code, deprecated, non_snake_case, private_interfaces)]
pub enum LogTask {
    /// The task `Log::heard`.
    Heard,
    /// The task `Log::on_message`.
    OnMessage {
        /// The argument `command`.
        command: Command,
    },
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for LogTask {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                LogTask::OnMessage { .. } => "OnMessage",
                LogTask::Heard { .. } => "Heard",
            },
        )
    }
}
/// The outputs of the tasks of `Log`.
#[allow(dead_code, deprecated, private_interfaces)]
pub enum LogOutput {
    /// The output of `Log::on_message`.
    OnMessage(()),
    /// The output of `Log::heard`.
    Heard(Vec<String>),
}
#[automatically_derived]
#[allow(unreachable_code)]
impl ::core::fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str(
            match *self {
                LogOutput::OnMessage { .. } => "OnMessage",
                LogOutput::Heard { .. } => "Heard",
            },
        )
    }
}
/// The typed calls of the tasks of `Log`, run by `E`.
pub struct LogCalls<E> {
    executor: E,
}
#[automatically_derived]
impl<E> ::core::clone::Clone for LogCalls<E>
where
    E: ::core::clone::Clone,
{
    fn clone(&self) -> Self {
        LogCalls {
            executor: ::core::clone::Clone::clone(&self.executor),
        }
    }
}
#[automatically_derived]
impl<E> ::core::fmt::Debug for LogCalls<E>
where
    E: ::core::fmt::Debug,
{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LogCalls").field("executor", &self.executor).finish()
    }
}
#[allow(clippy::used_underscore_binding)]
impl<E> LogCalls<E>
where
    E: ::nanolith::Executor<Log>,
{
    /// Returns a call of `Log::heard`.
    #[track_caller]
    pub fn heard(&self) -> ::nanolith::Call<'_, Log, E, Vec<String>>
    where
        E: ::nanolith::executor::SharesState<Log>,
    {
        ::nanolith::Call::new(
            &self.executor,
            LogTask::Heard {},
            |output| match output {
                LogOutput::Heard(value) => ::core::option::Option::Some(value),
                _ => ::core::option::Option::None,
            },
        )
    }
}
#[automatically_derived]
#[allow(dead_code, deprecated, unreachable_code)]
impl ::nanolith::TaskSet for Log {
    type Task = LogTask;
    type Output = LogOutput;
    type Calls<E> = LogCalls<E>;
    type Shared = ::nanolith::__private::NoState;
    const NAME: &'static str = "Log";
    const IDENTIFIER: &'static str = ::core::concat!(::core::module_path!(), "::Log");
    const TASKS: &'static [::nanolith::task::TaskInfo] = &[
        ::nanolith::task::TaskInfo::new(
                "Log",
                "on_message",
                ::core::concat!(::core::module_path!(), "::Log::on_message"),
            )
            .arguments(&[("command", "Command")])
            .output("()")
            .size(::core::mem::size_of::<(Command,)>())
            .receiver(::nanolith::task::Receiver::Exclusive),
        ::nanolith::task::TaskInfo::new(
                "Log",
                "heard",
                ::core::concat!(::core::module_path!(), "::Log::heard"),
            )
            .arguments(&[])
            .output("Vec<String>")
            .size(::core::mem::size_of::<()>())
            .receiver(::nanolith::task::Receiver::Shared),
    ];
    fn task_info(task: &Self::Task) -> &'static ::nanolith::task::TaskInfo {
        let index: usize = match *task {
            LogTask::OnMessage { .. } => 0,
            LogTask::Heard { .. } => 1,
        };
        &<Self as ::nanolith::TaskSet>::TASKS[index]
    }
    fn run(
        task: Self::Task,
        scope: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        match task {
            LogTask::OnMessage { command } => {
                ::nanolith::__private::apart(move || {
                    let cx = scope.context();
                    ::nanolith::__private::Run::Done(
                        LogOutput::OnMessage(
                            Self::on_message(&mut scope.writer(), &cx, command),
                        ),
                    )
                })
            }
            LogTask::Heard {} => {
                ::nanolith::__private::apart(move || {
                    ::nanolith::__private::Run::Done(
                        LogOutput::Heard(Self::heard(&scope.reader())),
                    )
                })
            }
        }
    }
    fn run_boxed(
        input: ::std::boxed::Box<::nanolith::__private::Input<Self>>,
        scope: &mut ::nanolith::__private::Scope<Self>,
    ) -> ::nanolith::__private::Run<Self::Output> {
        match input.task {
            LogTask::OnMessage { .. } => {
                ::nanolith::__private::apart_boxed(
                    input,
                    scope,
                    |input, scope| {
                        let LogTask::OnMessage { command } = input.task else {
                            ::core::unreachable!()
                        };
                        let cx = scope.context();
                        ::nanolith::__private::Run::Done(
                            LogOutput::OnMessage(
                                Self::on_message(&mut scope.writer(), &cx, command),
                            ),
                        )
                    },
                )
            }
            _ => <Self as ::nanolith::TaskSet>::run(input.task, scope),
        }
    }
    fn calls<E>(executor: E) -> Self::Calls<E> {
        LogCalls { executor }
    }
}
#[automatically_derived]
#[allow(deprecated)]
impl ::nanolith::task::HasInbox for Log {
    type Message = Command;
    const TASK: fn(Self::Message) -> Self::Task = |heard| LogTask::OnMessage {
        command: heard,
    };
    const MESSAGE: fn(Self::Task) -> ::core::option::Option<Self::Message> = |task| match task {
        LogTask::OnMessage { command: heard } => ::core::option::Option::Some(heard),
        _ => ::core::option::Option::None,
    };
}
#[automatically_derived]
#[allow(deprecated)]
impl ::nanolith::task::HasOutbox for Log {
    type Event = Event;
}
#[allow(clippy::self_named_constructors)]
impl Log {
    /// Returns the typed calls of `Log`, run by the global pool.
    #[must_use]
    pub fn tasks() -> &'static LogCalls<::nanolith::pool::GlobalPool> {
        const {
            &LogCalls {
                executor: ::nanolith::pool::GlobalPool,
            }
        }
    }
    /// Returns the typed calls of `Log`, run by `executor`: a pool, or another.
    #[must_use]
    pub fn on<E>(executor: &E) -> LogCalls<E>
    where
        E: ::core::clone::Clone + ::nanolith::Executor<Self>,
    {
        <Self as ::nanolith::TaskSet>::calls(::core::clone::Clone::clone(executor))
    }
    /// Returns the builder of a service of `Log`.
    pub fn service(
        state: Self,
    ) -> ::nanolith::service::ServiceBuilder<Self, ::core::convert::Infallible, Self> {
        ::nanolith::service::ServiceBuilder::with_state(state)
    }
}
#[allow(deprecated)]
const _: () = {
    ::nanolith::__private::any_argument::<Command>();
};
