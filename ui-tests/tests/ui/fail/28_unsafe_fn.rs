use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub unsafe fn read(place: usize) -> u8 {
        unsafe { *(place as *const u8) }
    }
}

fn main() {}
