use nanolith::prelude::*;

pub struct Set;

#[define(wire)]
impl Set {
    #[task(name = sum)]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[task(name = sum)]
    pub fn total(values: Vec<i64>) -> i64 {
        values.into_iter().sum()
    }
}

fn main() {}
