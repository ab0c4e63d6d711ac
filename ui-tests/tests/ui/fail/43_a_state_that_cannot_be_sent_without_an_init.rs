use nanolith::prelude::*;

pub struct Set {
    total: std::rc::Rc<i64>,
}

#[define]
impl Set {
    pub fn total(&self) -> i64 {
        *self.total
    }
}

fn main() {
    let service = Set::service(Set { total: std::rc::Rc::new(1) }).launch().wait();
    drop(service);
}
