use nanolith::prelude::*;

pub struct Counter;
pub struct CounterTask;

#[define]
impl Counter {
    pub fn double(x: i64) -> i64 {
        x * 2
    }
}

fn main() {}
