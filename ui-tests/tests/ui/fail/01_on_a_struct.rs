use nanolith::prelude::*;

#[define]
pub struct Geometry;

fn main() {}
