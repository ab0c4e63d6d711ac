use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn apply(f: impl Fn(u8) -> u8, x: u8) -> u8 {
        f(x)
    }
}

fn main() {}
