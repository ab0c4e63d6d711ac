use nanolith::{prelude::*, task::yield_now};
use std::rc::Rc;

pub struct Session {
    total: u64,
}

#[define]
impl Session {
    pub async fn add(&mut self, n: u64) -> u64 {
        let kept = Rc::new(n);
        yield_now().await;
        self.total += *kept;
        self.total
    }
}

fn main() {
    let pool = Pool::builder().build().unwrap();
    let _session = Session::service(Session { total: 0 }).on(&pool).launch();
}
