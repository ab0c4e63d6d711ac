//! No argument, no output, neither.
#![deny(warnings)]

use nanolith::prelude::*;

pub struct Bell;

#[define]
impl Bell {
    pub fn ring() {}

    pub fn ring_for(_times: u8) -> () {}

    pub fn count() -> u8 {
        1
    }

    pub async fn later() {}

    pub async fn with_context(cx: &Context<Self>) {
        cx.progress(1, 1);
    }
}

/// One task alone, and the state has no field.
pub struct One;

#[define]
impl One {
    pub fn only(&mut self) {}
}

#[define]
pub mod bell {
    pub fn ring() {}
}

fn main() {
    let bell = Bell::tasks();
    bell.ring().wait().unwrap();
    bell.ring_for(2).wait().unwrap();
    bell.later().wait().unwrap();
    bell.with_context().wait().unwrap();
    assert_eq!(bell.count().wait().unwrap(), 1);
    One::service(One).launch().wait().unwrap().only().wait().unwrap();
    bell::tasks().ring().wait().unwrap();

    // A task without arguments is written with or without braces.
    for task in [BellTask::Count, BellTask::Count {}] {
        assert!(matches!(task, BellTask::Count) && matches!(task, BellTask::Count { .. }));
    }
}
