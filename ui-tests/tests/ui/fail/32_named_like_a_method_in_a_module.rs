use nanolith::prelude::*;

#[define]
mod set {
    pub fn close() {}
}

fn main() {}
