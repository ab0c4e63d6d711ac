//! [`Any`]: a hand-written set of tasks, in the form that `#[define]` generates. Its tasks run the
//! closures that they are given, so each test states what happens where.
#![allow(dead_code, unreachable_pub, clippy::needless_pass_by_value)] // not every test uses all of it

use nanolith::{
    __private::{NoState, Run, Scope, SendFuture},
    Call, Executor, TaskSet,
    executor::{OwnsState, SharesState},
    service::ServiceBuilder,
    task::{Receiver, TaskInfo},
};
use std::{convert::Infallible, sync::mpsc, time::Duration};

/// A limit for an event that must happen, on a machine that is busy.
pub const LONG: Duration = Duration::from_secs(20);

pub type Work = Box<dyn FnOnce() -> i64 + Send>;

/// The state of a service of `Any`.
pub struct Any(pub i64);

pub enum AnyTask {
    Run { work: Work },
    Later { work: SendFuture<i64> },
    Change { by: i64, work: Box<dyn FnOnce(&mut i64) + Send> },
    Look,
    LookLater { work: SendFuture<()> },
    ChangeLater { work: SendFuture<()> },
}

pub enum AnyOutput {
    Run(i64),
    State(i64),
}

pub struct AnyCalls<E>(E);

type AnyCall<'a, E> = Call<'a, Any, E, i64>;

fn number(output: AnyOutput) -> Option<i64> {
    match output {
        AnyOutput::Run(number) | AnyOutput::State(number) => Some(number),
    }
}

impl<E> AnyCalls<E> {
    pub fn executor(&self) -> &E {
        &self.0
    }
}

impl<E: Executor<Any>> AnyCalls<E> {
    #[track_caller]
    pub fn run(&self, work: impl FnOnce() -> i64 + Send + 'static) -> AnyCall<'_, E> {
        Call::new(&self.0, AnyTask::Run { work: Box::new(work) }, number)
    }

    #[track_caller]
    pub fn later(&self, work: impl Future<Output = i64> + Send + 'static) -> AnyCall<'_, E> {
        Call::new(&self.0, AnyTask::Later { work: Box::pin(work) }, number)
    }

    #[track_caller]
    pub fn change(&self, by: i64) -> AnyCall<'_, E>
    where
        E: OwnsState<Any>,
    {
        self.change_with(by, |_| {})
    }

    #[track_caller]
    pub fn change_with(&self, by: i64, work: impl FnOnce(&mut i64) + Send + 'static) -> AnyCall<'_, E>
    where
        E: OwnsState<Any>,
    {
        Call::new(&self.0, AnyTask::Change { by, work: Box::new(work) }, number)
    }

    #[track_caller]
    pub fn look(&self) -> AnyCall<'_, E>
    where
        E: SharesState<Any>,
    {
        Call::new(&self.0, AnyTask::Look, number)
    }

    /// Shares the state while `work` is pending.
    #[track_caller]
    pub fn look_later(&self, work: impl Future<Output = ()> + Send + 'static) -> AnyCall<'_, E>
    where
        E: SharesState<Any>,
    {
        Call::new(&self.0, AnyTask::LookLater { work: Box::pin(work) }, number)
    }

    /// Has the state alone while `work` is pending.
    #[track_caller]
    pub fn change_later(&self, work: impl Future<Output = ()> + Send + 'static) -> AnyCall<'_, E>
    where
        E: OwnsState<Any>,
    {
        Call::new(&self.0, AnyTask::ChangeLater { work: Box::pin(work) }, number)
    }
}

const fn info(name: &'static str) -> TaskInfo {
    TaskInfo::new("Any", name, name)
}

impl TaskSet for Any {
    type Task = AnyTask;
    type Output = AnyOutput;
    type Calls<E> = AnyCalls<E>;
    type Shared = NoState;
    const NAME: &'static str = "Any";
    const IDENTIFIER: &'static str = "Any";
    const TASKS: &'static [TaskInfo] = &[
        info("run"),
        info("later").asynchronous(),
        info("change").receiver(Receiver::Exclusive),
        info("look").receiver(Receiver::Shared),
        info("look_later").asynchronous().receiver(Receiver::Shared),
        info("change_later").asynchronous().receiver(Receiver::Exclusive),
    ];

    fn task_info(task: &AnyTask) -> &'static TaskInfo {
        &Self::TASKS[match task {
            AnyTask::Run { .. } => 0,
            AnyTask::Later { .. } => 1,
            AnyTask::Change { .. } => 2,
            AnyTask::Look => 3,
            AnyTask::LookLater { .. } => 4,
            AnyTask::ChangeLater { .. } => 5,
        }]
    }

    fn calls<E>(executor: E) -> AnyCalls<E> {
        AnyCalls(executor)
    }

    fn run(task: AnyTask, scope: &mut Scope<Self>) -> Run<AnyOutput> {
        match task {
            AnyTask::Run { work } => Run::Done(AnyOutput::Run(work())),
            AnyTask::Later { work } => scope.spawn_unless_task_local(async move { AnyOutput::Run(work.await) }),
            AnyTask::Change { by, work } => {
                let mut state = scope.writer();
                state.0 += by;
                work(&mut state.0);
                Run::Done(AnyOutput::State(state.0))
            }
            AnyTask::Look => Run::Done(AnyOutput::State(scope.reader().0)),
            AnyTask::LookLater { work } => {
                let state = scope.reader();
                scope.spawn_local(async move {
                    work.await;
                    AnyOutput::State(state.0)
                })
            }
            AnyTask::ChangeLater { work } => {
                let owner = scope.owner();
                scope.spawn_local(async move {
                    let mut state = owner.write();
                    work.await;
                    state.0 += 1;
                    AnyOutput::State(state.0)
                })
            }
        }
    }
}

impl Any {
    pub fn on<E: Executor<Self>>(executor: E) -> AnyCalls<E> {
        Self::calls(executor)
    }

    pub fn service(first: i64) -> ServiceBuilder<Self, Infallible, Self> {
        ServiceBuilder::with_state(Self(first))
    }
}

/// Returns a gate that a task waits for until the test opens it.
pub fn gate() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (open, opened) = mpsc::channel();
    (open, move || {
        let _ = opened.recv_timeout(LONG);
    })
}
