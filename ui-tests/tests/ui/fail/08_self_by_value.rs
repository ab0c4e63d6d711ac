use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    pub fn into_total(self) -> i64 {
        self.total
    }
}

fn main() {}
