use nanolith::prelude::*;

pub struct Set;

#[define]
impl Set {
    pub fn of_a_text(text: &str) -> usize {
        text.len()
    }

    pub fn of_a_value(value: &Vec<u8>) -> usize {
        value.len()
    }

    pub fn of_a_slice(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub async fn to_change(value: &mut Vec<u8>) {
        value.clear();
    }
}

fn main() {
    // The caller gets no second error.
    drop(Set::tasks().of_a_text("some").wait());
}
