use nanolith::prelude::*;

pub struct Circle {
    radius: f64,
}

pub struct Set;

#[define(wire)]
impl Set {
    pub fn area(circle: Circle) -> f64 {
        circle.radius * circle.radius * 3.14
    }
}

fn main() {}
