use nanolith::prelude::*;

pub struct Set;

#[define(identifier = 7, vis = "publik", name)]
impl Set {
    #[task(name = 5)]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[task(skip = true)]
    pub fn helper() {}
}

fn main() {}
