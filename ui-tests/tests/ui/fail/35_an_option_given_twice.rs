use nanolith::prelude::*;

pub struct Set;

#[define(name = Orders, name = Invoices)]
impl Set {
    #[task(name = sum, name = total)]
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {}
