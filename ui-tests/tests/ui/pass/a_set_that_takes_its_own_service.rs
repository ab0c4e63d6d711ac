//! An argument or an output may hold a service, a handle, or calls of the very set, or of one that takes this one's.
#![deny(warnings)]

use nanolith::prelude::*;

type Peer = Service<Ping>;

pub struct Ping;
pub struct Pong(Service<Ping>);
pub struct Held(#[allow(dead_code)] Handle<Ping, i64>);

#[define]
impl Ping {
    pub fn itself(other: Service<Ping>, peer: Peer) -> Option<Service<Self>> {
        drop(peer);
        Some(other)
    }

    pub fn handle(handle: Held) -> Held {
        handle
    }

    pub async fn other(pong: Service<Pong>) -> Result<Service<Pong>, CallError> {
        Ok(pong)
    }

    pub fn one() -> i64 {
        1
    }
}

#[define]
impl Pong {
    pub fn ping(&self, other: Option<Box<Service<Ping>>>) -> Service<Ping> {
        drop(other);
        self.0.clone()
    }
}

fn main() {
    let ping = Ping::service().launch().wait().unwrap();
    let pong = Pong::service(Pong(ping.clone())).launch().wait().unwrap();
    assert!(ping.itself(ping.clone(), ping.clone()).wait().unwrap().is_some());
    assert_eq!(pong.ping(None).wait().unwrap().one().wait().unwrap(), 1);
    assert!(ping.other(pong.clone()).wait().unwrap().is_ok());
    drop(ping.handle(Held(ping.one().submit())).wait().unwrap());
}
