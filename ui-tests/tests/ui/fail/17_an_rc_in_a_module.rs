use nanolith::prelude::*;

#[define]
mod set {
    use std::rc::Rc;

    pub fn read(value: Rc<u8>) -> u8 {
        *value
    }
}

fn main() {}
