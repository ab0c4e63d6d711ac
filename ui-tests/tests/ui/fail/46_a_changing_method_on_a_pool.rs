use nanolith::prelude::*;

pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    pub fn total(&self) -> i64 {
        self.total
    }

    #[task(local)]
    pub async fn later(x: i64) -> i64 {
        x
    }
}

fn main() {
    let pool = Pool::builder().build().unwrap();
    drop(Counter::on(&pool).bump(1).wait());
}
