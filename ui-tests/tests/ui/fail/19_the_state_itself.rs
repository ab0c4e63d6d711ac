use nanolith::prelude::*;

pub struct Builder {
    size: usize,
}

#[define]
impl Builder {
    pub fn size(&mut self, size: usize) -> &mut Self {
        self.size = size;
        self
    }

    pub fn this(&self) -> &Self {
        self
    }

    pub fn whole(&self) -> usize {
        self.size
    }
}

fn main() {}
