use nanolith::{port::Port, prelude::*};

pub struct Files;

#[define(wire)]
impl Files {
    pub fn follow(path: String, changes: Port<String, u32>) {
        drop((path, changes));
    }
}

fn main() {}
