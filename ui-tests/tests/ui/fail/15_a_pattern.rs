use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn add((x, y): (i64, i64)) -> i64 {
        x + y
    }
}

fn main() {}
