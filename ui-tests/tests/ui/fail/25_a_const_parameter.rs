use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn sum<const N: usize>(values: [u8; N]) -> usize {
        values.len()
    }
}

fn main() {}
