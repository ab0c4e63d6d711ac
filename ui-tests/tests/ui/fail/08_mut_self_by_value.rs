use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    pub fn bumped(mut self) -> i64 {
        self.total += 1;
        self.total
    }
}

fn main() {}
