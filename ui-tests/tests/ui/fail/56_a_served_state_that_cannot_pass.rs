use nanolith::prelude::*;
use std::net::TcpStream;

pub struct Feed {
    connection: TcpStream,
}

#[define(wire)]
impl Feed {
    #[init]
    fn open(connection: TcpStream) -> Self {
        Self { connection }
    }

    pub fn is_open(&self) -> bool {
        self.connection.peer_addr().is_ok()
    }
}

fn main() {
    nanolith_process::init().serve::<(Feed,)>();
}
