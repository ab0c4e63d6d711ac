//! A hello-world on xtra: one call to an actor. The benchmark case `compile` builds it.

use xtra::prelude::*;

#[derive(xtra::Actor)]
struct Geometry;

struct Add(i64, i64);

impl Handler<Add> for Geometry {
    type Return = i64;

    async fn handle(&mut self, Add(x, y): Add, _: &mut Context<Self>) -> i64 {
        x + y
    }
}

#[tokio::main]
async fn main() -> Result<(), xtra::Error> {
    let geometry = xtra::spawn_tokio(Geometry, Mailbox::unbounded());
    println!("{}", geometry.send(Add(4, 5)).await?);
    Ok(())
}
