use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn sound() {}
}

fn main() {
    let service = Set::service().launch().wait().unwrap();
    let _ = service.send("reset").wait();
}
