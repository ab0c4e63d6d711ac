use nanolith::prelude::*;

pub trait Area {
    fn area(&self) -> f64;
}

pub struct Circle(f64);

#[define]
impl Area for Circle {
    fn area(&self) -> f64 {
        3.14 * self.0 * self.0
    }
}

fn main() {}
