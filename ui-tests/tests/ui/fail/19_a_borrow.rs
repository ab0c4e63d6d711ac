use nanolith::prelude::*;

pub struct Set {
    name: String,
}

#[define]
impl Set {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn first(&self) -> Option<&u8> {
        self.name.as_bytes().first()
    }
}

fn main() {}
