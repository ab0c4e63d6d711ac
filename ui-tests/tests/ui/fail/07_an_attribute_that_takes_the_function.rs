use nanolith::prelude::*;

pub struct Geometry;

#[define]
impl Geometry {
    #[tokio::main]
    pub async fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[test]
    pub fn adds() {}

    #[tokio::test]
    pub async fn adds_later() {}

    #[async_std::main]
    pub async fn main() {}

    #[inline]
    pub fn double(x: i64) -> i64 {
        x * 2
    }
}

fn main() {}
