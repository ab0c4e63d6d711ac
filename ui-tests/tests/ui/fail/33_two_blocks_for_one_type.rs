use nanolith::prelude::*;

pub struct Counter;

#[define]
impl Counter {
    pub fn double(x: i64) -> i64 {
        x * 2
    }
}

#[define]
impl Counter {
    pub fn triple(x: i64) -> i64 {
        x * 3
    }
}

fn main() {}
