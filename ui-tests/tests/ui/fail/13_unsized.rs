use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn of_an_object(_value: dyn std::fmt::Debug) {}
    pub fn of_a_text(_value: str) {}
    pub fn of_a_slice(_value: [u8]) {}
}

fn main() {}
