use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    #[task]
    #[on_close]
    pub fn end(self) {}

    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {}
