use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[init]
    fn start(total: i64) -> Self {
        Self { total }
    }

    #[init]
    fn begin() -> Self {
        Self { total: 0 }
    }

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
