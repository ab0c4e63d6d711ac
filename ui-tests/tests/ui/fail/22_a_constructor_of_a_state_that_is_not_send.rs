use nanolith::prelude::*;
use std::rc::Rc;

pub struct Counter {
    total: Rc<i64>,
}

#[define]
impl Counter {
    pub fn new() -> Self {
        Self { total: Rc::new(0) }
    }

    pub fn total(&self) -> i64 {
        *self.total
    }
}

fn main() {}
