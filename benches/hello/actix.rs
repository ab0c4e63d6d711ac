//! A hello-world on actix: one call to an actor. The benchmark case `compile` builds it.

use actix::prelude::*;

struct Geometry;

impl Actor for Geometry {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "i64")]
struct Add(i64, i64);

impl Handler<Add> for Geometry {
    type Result = i64;

    fn handle(&mut self, Add(x, y): Add, _: &mut Context<Self>) -> i64 {
        x + y
    }
}

#[actix::main]
async fn main() -> Result<(), MailboxError> {
    println!("{}", Geometry.start().send(Add(4, 5)).await?);
    Ok(())
}
