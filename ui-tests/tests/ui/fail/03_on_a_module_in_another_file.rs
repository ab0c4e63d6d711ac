use nanolith::prelude::*;

#[define]
#[path = "another_file/geometry.rs"]
mod geometry;

fn main() {}
