//! Tests that the generated types, and this library's handles and settings, implement `Clone` and
//! `Debug`.
#![allow(missing_docs)] // a test's name documents it

use nanolith::{
    Cluster, Executor, Local, TaskSet,
    call::Submit,
    cluster::{ClusterBuilder, ClusterControl, ClusterRef},
    messenger::{Messenger, MessengerBuilder},
    pool::{GlobalPool, PoolBuilder, Share, SharedPool, SharedState},
    prelude::*,
    service::{ServiceControl, ServiceRef},
};
use std::fmt::Debug;

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn ring() {}
}

/// A type that is neither `Clone` nor `Debug`.
pub struct Item;

pub struct Stack<T> {
    items: Vec<T>,
}

#[define]
impl<T: Send> Stack<T> {
    pub fn push(&mut self, item: T) -> usize {
        self.items.push(item);
        self.items.len()
    }
}

fn is_clone<T: Clone>() {}
fn is_debug<T: Debug>() {}
fn is_both<T: Clone + Debug>() {}

/// An executor that is `Debug`, but not `Clone`.
#[derive(Debug)]
struct Once(Pool);

impl Executor<Geometry> for Once {
    fn try_execute(
        &self,
        job: nanolith::executor::Job<Geometry>,
    ) -> Result<(), nanolith::call::SubmitError<nanolith::executor::Job<Geometry>>> {
        self.0.try_execute(job)
    }
}

#[test]
fn calls_are_clone_and_debug_where_their_executor_is() {
    is_both::<GeometryCalls<Pool>>();
    is_both::<GeometryCalls<GlobalPool>>();
    is_both::<GeometryCalls<ServiceRef<Geometry>>>();
    is_both::<StackCalls<ServiceRef<Stack<Item>>, Item>>();
    is_debug::<GeometryCalls<Once>>();
    let pool = Pool::builder().build().expect("a pool");
    let geometry = Geometry::on(&pool);
    assert_eq!(geometry.clone().add(4, 5).wait().expect("it runs"), 9);
    assert!(format!("{geometry:?}").starts_with("GeometryCalls { executor: Pool {"), "{geometry:?}");
}

#[test]
fn tasks_and_outputs_show_their_variant() {
    let tasks = [GeometryTask::Add { x: 4, y: 5 }, GeometryTask::Ring];
    assert_eq!(format!("{tasks:?} {:?}", GeometryOutput::Add(9)), "[Add, Ring] Add");
    assert_eq!(format!("{:?}", StackTask::Push { item: Item }), "Push");
    is_debug::<StackOutput<Item>>();
}

#[test]
fn handles_and_settings_are_clone_and_debug() {
    is_both::<Pool>();
    is_both::<Share>();
    is_both::<Local>();
    is_both::<Service<Geometry>>();
    is_both::<ServiceRef<Geometry>>();
    is_both::<Cluster<Geometry>>();
    is_both::<ClusterRef<Geometry>>();
    is_both::<ServiceControl<'_, Geometry>>();
    is_both::<ClusterControl<'_, Geometry>>();
    is_both::<SharedState<Geometry>>();
    is_clone::<SharedPool<Geometry>>();
    is_both::<PoolBuilder>();
    is_both::<ClusterBuilder<Geometry>>();
    is_both::<MessengerBuilder<u8>>();
    is_debug::<Messenger<u8>>();
    is_debug::<nanolith::service::ServiceBuilder<Geometry, std::convert::Infallible, ()>>();
    is_debug::<Call<'_, Geometry, Pool, i64>>();
    is_debug::<Submit<'_, Geometry, Pool, i64>>();
    is_debug::<Handle<Geometry, i64>>();
}

/// A set in which some tasks do not exist. Their types do not exist either.
pub struct Partial;

#[define]
impl Partial {
    #[cfg(any())]
    pub fn absent_first(x: Missing) -> Missing {
        x
    }

    pub fn first() {}

    #[cfg_attr(not(any()), cfg(not(any())))]
    pub fn second() {}

    #[cfg(not(any()))]
    #[cfg(any())]
    pub fn absent_between(x: Missing) -> Missing {
        x
    }

    pub fn third() {}
}

#[test]
fn info_of_task_skips_absent_tasks() {
    let info = |task: PartialTask| Partial::task_info(&task).name();
    assert_eq!(
        Partial::TASKS.iter().map(nanolith::task::TaskInfo::name).collect::<Vec<_>>(),
        ["first", "second", "third"]
    );
    assert_eq!(info(PartialTask::First), "first");
    assert_eq!(info(PartialTask::Second), "second");
    assert_eq!(info(PartialTask::Third), "third");
}
