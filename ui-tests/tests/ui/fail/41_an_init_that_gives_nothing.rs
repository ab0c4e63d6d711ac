use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[init]
    fn start(_first: i64) {}

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
