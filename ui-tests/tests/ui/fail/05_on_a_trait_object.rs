use nanolith::prelude::*;

pub trait Shape {}

#[define]
impl dyn Shape {
    pub fn add(x: u8, y: u8) -> u8 {
        x + y
    }
}

fn main() {}
