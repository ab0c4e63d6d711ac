use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn length(values: Vec<_>) -> usize {
        values.len()
    }

    pub fn give() -> _ {
        1
    }
}

fn main() {}
