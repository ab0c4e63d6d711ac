use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    #[task(skip)]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {}
