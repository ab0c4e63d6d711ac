//! Nothing that is generated is unsafe, in any shape of a set.
#![forbid(unsafe_code)]
#![deny(warnings)]

use nanolith::{prelude::*, task::CallInfo};

pub struct Counter {
    total: std::rc::Rc<i64>,
}

#[define]
impl Counter {
    #[init]
    fn start(first: i64) -> Result<Self, String> {
        Ok(Self { total: first.into() })
    }

    #[before_task]
    fn before(&self, call: &CallInfo) {
        let _ = call.task();
    }

    pub fn bump(&mut self, by: i64) -> i64 {
        *std::rc::Rc::make_mut(&mut self.total) += by;
        *self.total
    }

    pub async fn later(&self) -> i64 {
        *self.total
    }

    #[on_close]
    fn end(self) {}
}

pub struct Tally(std::sync::atomic::AtomicI64);

#[define(shared, wire)]
impl Tally {
    pub fn total(&self) -> i64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[define]
pub mod geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {
    let counter = Counter::service(1).launch().wait().unwrap();
    assert_eq!((counter.bump(1).wait().unwrap(), counter.later().wait().unwrap()), (2, 2));
    let tally = Tally::shared(std::sync::Arc::new(Tally(7.into())));
    assert_eq!(tally.on(&nanolith::pool::GlobalPool).total().wait().unwrap(), 7);
    assert_eq!(geometry::tasks().add(1, 2).wait().unwrap(), 3);
}
