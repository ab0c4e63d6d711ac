use nanolith::prelude::*;

pub struct Counter {
    total: i64,
}

#[define(shared)]
impl Counter {
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {
    let counter = Counter::shared(std::sync::Arc::new(Counter { total: 0 }));
    drop(counter.on(&nanolith::pool::GlobalPool).bump(1).wait());
}
