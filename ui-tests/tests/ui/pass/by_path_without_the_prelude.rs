//! The attributes work by their paths, and under other names.
#![deny(warnings)]

use nanolith::{Wait as _, define as tasks_of};

pub struct Geometry;

#[nanolith::define]
impl Geometry {
    #[nanolith::task(name = plus)]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[nanolith::before_task]
    fn before(call: &nanolith::task::CallInfo) {
        let _ = call.task();
    }
}

pub struct Renamed;

#[tasks_of]
impl Renamed {
    pub fn add(cx: &nanolith::Context<Self>, x: i64) -> i64 {
        cx.progress(1, 1);
        x
    }
}

#[::nanolith::define]
pub mod geometry {
    #[::nanolith::task]
    fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

mod inner {
    pub use nanolith::prelude as all;
    pub mod facade {
        pub use nanolith::*;
    }
}

pub struct Elsewhere;

#[inner::all::define(crate = crate::inner::facade)]
impl Elsewhere {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {
    assert_eq!(Geometry::tasks().plus(4, 5).wait().unwrap(), 9);
    assert_eq!(Renamed::tasks().add(4).wait().unwrap(), 4);
    assert_eq!(geometry::tasks().add(4, 5).wait().unwrap(), 9);
    assert_eq!(Elsewhere::tasks().add(4, 5).wait().unwrap(), 9);
}
