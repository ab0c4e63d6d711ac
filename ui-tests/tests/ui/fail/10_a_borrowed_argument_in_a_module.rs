use nanolith::prelude::*;

#[define]
mod set {
    pub fn length(text: &str) -> usize {
        text.len()
    }
}

fn main() {}
