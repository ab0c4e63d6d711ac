use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn serve() -> ! {
        loop {}
    }
}

fn main() {}
