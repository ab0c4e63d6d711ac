use nanolith::{prelude::*, task::CallInfo};

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[before_task]
    #[after_task]
    fn around(_call: &CallInfo) {}

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
