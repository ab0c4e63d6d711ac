use nanolith::{prelude::*, task::CallInfo};

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[before_task]
    fn before(_call: &CallInfo) -> bool {
        true
    }

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
