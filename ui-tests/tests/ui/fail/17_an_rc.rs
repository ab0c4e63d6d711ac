use nanolith::prelude::*;
use std::rc::Rc;

pub struct Set;

#[define]
impl Set {
    pub fn read(value: Rc<u8>) -> u8 {
        *value
    }
}

fn main() {}
