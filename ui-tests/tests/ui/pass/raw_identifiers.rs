//! Keywords as names of sets, tasks, arguments and modules.
#![deny(warnings)]
#![allow(non_camel_case_types)]

use nanolith::{TaskSet, prelude::*};

pub struct r#struct;

#[define]
impl r#struct {
    pub fn r#type(r#fn: i64, r#match: i64) -> i64 {
        r#fn + r#match
    }

    #[task(name = r#loop)]
    pub async fn forever(r#async: i64) -> i64 {
        r#async
    }
}

#[define]
pub mod r#mod {
    pub fn r#type(r#fn: i64) -> i64 {
        r#fn
    }
}

fn main() {
    assert_eq!(r#struct::tasks().r#type(4, 5).wait().unwrap(), 9);
    assert_eq!(r#struct::tasks().r#loop(4).wait().unwrap(), 4);
    assert_eq!(r#mod::tasks().r#type(4).wait().unwrap(), 4);
    assert_eq!((r#struct::NAME, r#struct::TASKS[0].name()), ("struct", "type"));
    assert_eq!(r#struct::TASKS[0].argument_types()[0].0, "fn");
}
