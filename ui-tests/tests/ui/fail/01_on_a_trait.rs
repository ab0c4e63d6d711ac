use nanolith::prelude::*;

#[define]
pub trait Shape {
    fn area(&self) -> f64;
}

fn main() {}
