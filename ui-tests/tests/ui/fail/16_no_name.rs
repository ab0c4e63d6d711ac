use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn ignore(_: i64) {}
}

fn main() {}
