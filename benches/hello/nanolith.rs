//! A hello-world on nanolith: one call to the global pool. The benchmark case `compile` builds it.

use nanolith::prelude::*;

pub struct Geometry;

#[define]
impl Geometry {
    /// Adds two numbers.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() -> Result<(), CallError> {
    println!("{}", Geometry::tasks().add(4, 5).wait()?);
    Ok(())
}
