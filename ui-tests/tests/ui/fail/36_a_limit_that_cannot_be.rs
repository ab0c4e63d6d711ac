use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    #[task(concurrency = 0)]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[task(concurrency = two)]
    pub fn sub(x: i64, y: i64) -> i64 {
        x - y
    }

    #[task(concurrency)]
    pub fn mul(x: i64, y: i64) -> i64 {
        x * y
    }

    #[task(concurency = 2)]
    pub fn div(x: i64, y: i64) -> i64 {
        x / y
    }

    #[task(skip, concurrency = 2)]
    pub fn rem(x: i64, y: i64) -> i64 {
        x % y
    }
}

fn main() {}
