use nanolith::prelude::*;
use std::{cell::RefCell, rc::Rc};

pub struct Set;

#[define]
impl Set {
    pub fn read(value: RefCell<Rc<u8>>) -> u8 {
        **value.borrow()
    }

    pub async fn later(&self, values: Vec<Option<Rc<u8>>>) -> usize {
        values.len()
    }
}

fn main() {}
