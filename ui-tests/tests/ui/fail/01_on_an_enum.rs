use nanolith::prelude::*;

#[define]
pub enum Shape {
    Circle,
}

fn main() {}
