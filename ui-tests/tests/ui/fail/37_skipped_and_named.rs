use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[task(skip, name = minus)]
    pub fn sub(x: i64, y: i64) -> i64 {
        x - y
    }
}

fn main() {}
