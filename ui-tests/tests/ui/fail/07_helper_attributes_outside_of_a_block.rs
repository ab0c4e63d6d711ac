use nanolith::{prelude::*, task::{CallInfo, Outcome}};

pub struct Counter {
    total: i64,
}

impl Counter {
    #[init]
    fn start(first: i64) -> Self {
        Self { total: first }
    }

    #[before_task]
    fn before(&self, _call: &CallInfo) {}

    #[after_task]
    fn after(&self, _call: &CallInfo, _outcome: Outcome) {}

    #[on_close]
    fn close(self) {}

    #[task]
    fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
