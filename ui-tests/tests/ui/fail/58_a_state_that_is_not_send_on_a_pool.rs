use nanolith::prelude::*;
use std::{cell::RefCell, rc::Rc};

pub struct Session {
    log: Rc<RefCell<Vec<String>>>,
}

#[define]
impl Session {
    #[init]
    fn start() -> Self {
        Self { log: Rc::default() }
    }

    pub fn write(&mut self, line: String) {
        self.log.borrow_mut().push(line);
    }
}

fn main() {
    let pool = Pool::builder().build().unwrap();
    let _session = Session::service().on(&pool).launch();
}
