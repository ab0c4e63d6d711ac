use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn max_delay(n: u8) -> impl Iterator<Item = u8> {
        0..n
    }
}

fn main() {}
