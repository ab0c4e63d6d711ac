use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn count(cx: &mut Context<Self>) -> bool {
        cx.is_cancelled()
    }
}

fn main() {}
