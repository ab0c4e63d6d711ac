use nanolith::prelude::*;

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {
    nanolith_process::init().serve::<(Geometry,)>();
}
