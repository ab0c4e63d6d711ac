use nanolith::prelude::*;

#[define(shared)]
mod set {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {}
