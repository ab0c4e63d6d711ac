use nanolith::prelude::*;

#[define]
mod set {
    #[before_task]
    fn before(text: String) {
        drop(text);
    }

    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() {}
