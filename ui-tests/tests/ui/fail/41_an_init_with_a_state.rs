use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[init]
    fn start(&self, first: i64) -> Self {
        Self { total: first }
    }

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
