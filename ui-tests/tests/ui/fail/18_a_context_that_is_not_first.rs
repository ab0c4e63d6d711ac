use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn count(to: u64, cx: &Context<Self>) -> u64 {
        cx.progress(to, to);
        to
    }
}

fn main() {}
