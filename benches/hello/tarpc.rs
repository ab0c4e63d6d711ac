//! A hello-world on tarpc: one call to a server in the program. The benchmark case `compile` builds
//! it.

use futures::prelude::*;
use tarpc::{
    client, context,
    server::{BaseChannel, Channel},
};

#[tarpc::service]
trait Geometry {
    async fn add(x: i64, y: i64) -> i64;
}

#[derive(Clone)]
struct Server;

impl Geometry for Server {
    async fn add(self, _: context::Context, x: i64, y: i64) -> i64 {
        x + y
    }
}

#[tokio::main]
async fn main() -> Result<(), client::RpcError> {
    let (near, far) = tarpc::transport::channel::unbounded();
    let server = BaseChannel::with_defaults(far).execute(Server.serve());
    tokio::spawn(server.for_each(|answer| async { drop(tokio::spawn(answer)) }));
    let geometry = GeometryClient::new(client::Config::default(), near).spawn();
    println!("{}", geometry.add(context::current(), 4, 5).await?);
    Ok(())
}
