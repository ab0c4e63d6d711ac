use nanolith::prelude::*;

pub struct Counter<T>(T);

#[define]
impl Counter<i64> {
    pub fn bump(&mut self, by: i64) {
        self.0 += by;
    }
}

#[define]
impl Counter<u8> {
    pub fn bump(&mut self, by: u8) {
        self.0 += by;
    }
}

fn main() {}
