use nanolith::prelude::*;
use std::borrow::Cow;

pub struct Set;

#[define]
impl Set {
    pub fn length(text: Cow<str>) -> usize {
        text.len()
    }
}

fn main() {}
