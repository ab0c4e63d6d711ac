use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn same<'a>(text: &'a str) -> &'a str {
        text
    }
}

fn main() {}
