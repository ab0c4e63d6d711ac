use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn double(x: i64) -> i64 {
        x * 2
    }

    fn service() {}
}

fn main() {}
