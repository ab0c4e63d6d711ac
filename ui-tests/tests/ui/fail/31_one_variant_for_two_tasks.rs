use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn do_it() {}

    #[allow(non_snake_case)]
    pub fn doIt() {}
}

fn main() {}
