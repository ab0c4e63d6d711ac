use nanolith::prelude::*;

pub struct Counter(std::cell::Cell<i64>);

#[define(shared)]
impl Counter {
    pub fn total(&self) -> i64 {
        self.0.get()
    }
}

fn main() {}
