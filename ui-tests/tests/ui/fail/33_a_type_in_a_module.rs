use nanolith::prelude::*;

#[define]
mod set {
    pub struct Task;

    pub fn double(x: i64) -> i64 {
        x * 2
    }

    pub fn on() {}
}

fn main() {}
