use nanolith::prelude::*;
use std::error::Error;

pub struct Rows;

#[define]
impl Rows {
    pub fn read(text: String) -> Result<i64, Box<dyn Error>> {
        Ok(text.parse()?)
    }

    pub fn count(text: String) -> Result<usize, Box<dyn std::error::Error + Send>> {
        Ok(text.len())
    }
}

fn main() {}
