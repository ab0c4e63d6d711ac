use nanolith::prelude::*;

#[define]
impl (u8, u8) {
    pub fn add(x: u8, y: u8) -> u8 {
        x + y
    }
}

fn main() {}
