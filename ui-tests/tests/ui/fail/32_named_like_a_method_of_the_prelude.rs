use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn into(x: u8) -> u64 {
        x.into()
    }
}

fn main() {}
