use nanolith::prelude::*;
use std::rc::Rc;

pub struct Set {
    first: Rc<u8>,
}

#[define]
impl Set {
    #[init]
    fn start(first: Rc<u8>) -> Self {
        Self { first }
    }

    pub fn first(&self) -> u8 {
        *self.first
    }
}

fn main() {}
