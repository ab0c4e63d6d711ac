use nanolith::prelude::*;
use std::rc::Rc;

pub struct Set;

#[define]
impl Set {
    pub fn give() -> Rc<u8> {
        Rc::new(1)
    }
}

fn main() {}
