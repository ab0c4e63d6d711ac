use nanolith::{prelude::*, task::CallInfo};

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[before_task]
    fn before(&mut self, _call: &CallInfo) {}

    #[after_task]
    fn after(&self, _call: &CallInfo) {}

    #[on_close]
    fn end(&self) -> i64 {
        self.total
    }

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
