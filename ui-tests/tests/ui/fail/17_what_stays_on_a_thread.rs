use nanolith::prelude::*;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, MutexGuard},
};

pub struct Set;

#[define]
impl Set {
    pub fn rc(rc: Rc<u8>) -> u8 {
        *rc
    }

    pub fn cell(cell: Arc<RefCell<u8>>) -> u8 {
        *cell.borrow()
    }

    pub fn flag(cell: Arc<Cell<u8>>) -> u8 {
        cell.get()
    }

    pub fn pointer(pointer: *const u8) -> bool {
        pointer.is_null()
    }

    pub fn guard(guard: MutexGuard<'static, u8>) -> u8 {
        *guard
    }
}

fn main() {}
