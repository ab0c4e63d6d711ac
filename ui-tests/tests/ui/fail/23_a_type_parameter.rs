use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn show<T: ToString + Send>(value: T) -> String {
        value.to_string()
    }
}

fn main() {}
