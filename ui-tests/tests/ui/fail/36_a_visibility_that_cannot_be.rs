use nanolith::prelude::*;

mod shapes {
    use nanolith::prelude::*;

    pub struct Geometry;

    #[define(vis = "pub(super)")]
    impl Geometry {
        pub fn add(x: i64, y: i64) -> i64 {
            x + y
        }
    }
}

pub struct Counter<T>(T);

#[define(vis = "pub(crate)")]
impl<T: Send> Counter<T> {
    pub fn total(&self) -> i64 {
        0
    }
}

fn main() {}
