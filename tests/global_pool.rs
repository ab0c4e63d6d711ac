//! Test of the global pool and its settings, in a program of its own: this file has one test.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    pool::{Concurrency, GlobalPool},
    prelude::*,
};

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn thread() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }
}

#[test]
fn global_pool_starts_once_with_its_settings() {
    let wrong = Pool::builder().concurrency(Concurrency::Exact(0)).build_global().expect_err("it cannot work");
    assert_eq!(wrong.setting(), Some("concurrency"), "a failed start leaves it to the next");
    Pool::builder().name("mine").concurrency(Concurrency::Exact(3)).build_global().expect("it is the first");
    assert_eq!(GlobalPool.get().expect("it runs").max_concurrency(), 3);
    assert_eq!(Geometry::tasks().add(1, 2).wait().expect("it runs"), 3);
    let name = Geometry::tasks().thread().wait().expect("it runs").expect("its threads are named");
    assert!(name.starts_with("mine-"), "{name}");
    assert!(Pool::builder().build_global().is_err(), "there is one already");
}
