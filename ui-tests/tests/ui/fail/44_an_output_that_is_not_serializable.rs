use nanolith::prelude::*;

pub struct Circle {
    pub radius: f64,
}

pub struct Set;

#[define(wire)]
impl Set {
    pub fn circle(radius: f64) -> Circle {
        Circle { radius }
    }
}

fn main() {}
