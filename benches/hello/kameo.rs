//! A hello-world on kameo: one call to an actor. The benchmark case `compile` builds it.

use kameo::prelude::*;

#[derive(Actor)]
struct Geometry;

struct Add(i64, i64);

impl Message<Add> for Geometry {
    type Reply = i64;

    async fn handle(&mut self, Add(x, y): Add, _: &mut Context<Self, i64>) -> i64 {
        x + y
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let geometry = Geometry::spawn(Geometry);
    println!("{}", geometry.ask(Add(4, 5)).await?);
    Ok(())
}
