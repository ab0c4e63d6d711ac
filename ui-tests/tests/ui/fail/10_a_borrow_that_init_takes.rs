use nanolith::prelude::*;
use std::path::Path;

pub struct Set;

#[define]
impl Set {
    #[init]
    fn open(path: &Path) -> Self {
        drop(path.exists());
        Self
    }

    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {}
