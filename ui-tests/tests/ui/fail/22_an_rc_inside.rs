use nanolith::prelude::*;
use std::{cell::RefCell, rc::Rc};

pub struct Set;

#[define]
impl Set {
    pub fn give() -> Result<RefCell<Rc<u8>>, String> {
        Ok(RefCell::new(Rc::new(1)))
    }
}

fn main() {}
