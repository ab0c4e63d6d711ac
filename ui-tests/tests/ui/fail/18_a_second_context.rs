use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn count(cx: &Context<Self>, _other: &Context<Self>) -> bool {
        cx.is_cancelled()
    }
}

fn main() {}
