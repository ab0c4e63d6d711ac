use nanolith::prelude::*;

pub struct Geometry;

#[define]
impl Geometry {
    /// Adds two numbers.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().build()?;
    let geometry = Geometry::on(&pool);
    let job = geometry.add(4, 5).try_submit()?;
    assert_eq!(job.wait()?, 9);
    Ok(())
}
