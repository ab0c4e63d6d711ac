use nanolith::prelude::*;

pub struct Stack<T>(Vec<T>);

#[define]
impl<T> Stack<T> {
    pub fn push(&mut self, value: T) {
        self.0.push(value);
    }
}

fn main() {}
