use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn sum(count: usize, _values: ...) -> usize {
        count
    }
}

fn main() {}
