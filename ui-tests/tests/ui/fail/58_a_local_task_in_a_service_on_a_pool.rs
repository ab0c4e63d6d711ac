use nanolith::{prelude::*, task::yield_now};

pub struct Session;

#[define]
impl Session {
    #[task(local)]
    pub async fn draw() {
        yield_now().await;
    }
}

fn main() {
    let pool = Pool::builder().build().unwrap();
    let _session = Session::service().on(&pool).launch();
}
