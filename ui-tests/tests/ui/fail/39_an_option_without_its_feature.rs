use nanolith::prelude::*;

pub struct Set;

#[define(wire)]
impl Set {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {}
