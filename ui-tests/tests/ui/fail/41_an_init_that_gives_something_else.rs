use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[init]
    fn start(first: i64) -> i64 {
        first
    }

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
