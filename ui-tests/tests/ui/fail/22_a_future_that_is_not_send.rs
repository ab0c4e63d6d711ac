use nanolith::{prelude::*, time::SECOND};
use std::rc::Rc;

pub struct Set;

#[define]
impl Set {
    pub async fn later() -> u8 {
        let kept = Rc::new(1);
        nanolith::time::sleep(SECOND).await;
        *kept
    }
}

fn main() {}
