use nanolith::prelude::*;

pub struct Set;

#[define(identifer = "shop.orders")]
impl Set {
    #[task(locl)]
    pub async fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    #[task(priority)]
    pub fn sub(x: i64, y: i64) -> i64 {
        x - y
    }
}

fn main() {}
