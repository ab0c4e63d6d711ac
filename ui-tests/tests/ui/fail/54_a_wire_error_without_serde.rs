use nanolith::prelude::*;

pub struct Files;

#[define(wire)]
impl Files {
    pub fn remove(path: String) -> Result<(), std::io::Error> {
        std::fs::remove_file(path)
    }
}

fn main() {}
