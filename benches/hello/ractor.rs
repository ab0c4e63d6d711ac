//! A hello-world on ractor: one call to an actor. The benchmark case `compile` builds it.

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

struct Geometry;

enum Message {
    Add(i64, i64, RpcReplyPort<i64>),
}

impl Actor for Geometry {
    type Msg = Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        Message::Add(x, y, answer): Message,
        _: &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(answer.send(x + y)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (geometry, _) = Actor::spawn(None, Geometry, ()).await?;
    println!("{}", ractor::call!(geometry, Message::Add, 4, 5)?);
    Ok(())
}
