use nanolith::{prelude::*, stream::StreamReader};

pub struct Files;

#[define(wire)]
impl Files {
    pub fn save(path: String, content: StreamReader) {
        drop((path, content));
    }
}

fn main() {}
