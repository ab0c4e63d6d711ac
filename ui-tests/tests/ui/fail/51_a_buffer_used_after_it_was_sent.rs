use nanolith::prelude::*;

pub struct Geometry;

#[define]
impl Geometry {
    /// Adds two numbers.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn sum(values: Vec<i64>) -> i64 {
        values.into_iter().sum()
    }
}

fn main() {
    let values = vec![1, 2, 3];
    let job = Geometry::tasks().sum(values).submit();
    println!("{} values", values.len());
    drop(job.wait());
}
