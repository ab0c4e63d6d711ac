use nanolith::prelude::*;

/// Foreign.
pub struct Handle {
    raw: *const u8,
}

pub struct Set;

#[define]
impl Set {
    pub fn read(value: Handle) -> bool {
        value.raw.is_null()
    }
}

fn main() {}
