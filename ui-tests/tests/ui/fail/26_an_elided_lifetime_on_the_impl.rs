use nanolith::prelude::*;

pub struct View<'a>(&'a str);

#[define]
impl View<'_> {
    pub fn length(&self) -> usize {
        self.0.len()
    }
}

fn main() {}
