use nanolith::prelude::*;

pub struct Set {
    total: i64,
}

#[define]
impl Set {
    pub fn total(&self) -> i64 {
        self.total
    }
}

fn main() {
    let service = Set::service().launch().wait();
    drop(service);
}
