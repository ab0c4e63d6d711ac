use nanolith::prelude::*;

pub trait Shape {
    type Side;
}

pub struct Square;
pub struct Line;

impl Shape for Square {
    type Side = Line;
}

#[define]
impl <Square as Shape>::Side {
    pub fn add(x: u8, y: u8) -> u8 {
        x + y
    }
}

fn main() {}
