use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn close(&mut self) {}

    pub fn send(&self, _text: String) {}

    pub async fn info() {}
}

fn main() {}
