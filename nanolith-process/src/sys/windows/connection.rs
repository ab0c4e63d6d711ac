//! [`Connection`]: the connections of a child to its parent, which it makes at its start.

use super::{
    ChildLifeline, ChildSocket, prepare,
    socket::{ADMITTED, FOR_CALLS, FOR_LIFELINE, SECRET},
};
use crate::{
    sys::Greeting,
    wire::{Frame, Hello},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// The largest first frame.
const MAX_HELLO: u64 = 64 * 1024;
/// How long a child waits for its parent before it connects once more.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The connections of this process, which is a child.
pub(crate) struct Connection {
    pub(crate) socket: ChildSocket,
    lifeline: ChildLifeline,
    hello: Vec<u8>,
}

impl Connection {
    /// Reads standard input to its end, and connects to the parent. So a task finds the end of its
    /// standard input, and a process that it starts does not inherit the connections.
    pub(crate) fn take() -> io::Result<Self> {
        let mut given = Vec::new();
        io::stdin().lock().take(MAX_HELLO).read_to_end(&mut given)?;
        let no_parent = || io::Error::other("no parent has written to the standard input");
        let (port, rest) = given.split_first_chunk().ok_or_else(no_parent)?;
        let (secret, hello) = rest.split_first_chunk().ok_or_else(no_parent)?;
        let port = u16::from_le_bytes(*port);
        let socket = connect(port, secret, FOR_CALLS)?;
        let lifeline = connect(port, secret, FOR_LIFELINE)?;
        await_admission(&socket, port)?;
        Ok(Self { socket, lifeline, hello: hello.to_vec() })
    }

    /// Returns the lifeline and the settings.
    pub(crate) fn receive_greeting(&self, nonce: u64) -> io::Result<Greeting> {
        let frame = Frame::whole(&self.hello).ok_or(ErrorKind::UnexpectedEof)?;
        let hello = Hello::from_frame(&frame, nonce)?;
        Ok(Greeting { lifeline: self.lifeline.try_clone()?, listeners: Vec::new(), hello })
    }
}

pub(super) fn connect(port: u16, secret: &[u8; SECRET], purpose: u8) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    prepare(&stream)?;
    let mut ticket = secret.to_vec();
    ticket.push(purpose);
    stream.write_all(&ticket)?;
    Ok(stream)
}

/// Waits until the parent has both connections.
///
/// The parent looks at the tickets when a connection arrives, and a ticket may arrive after its
/// connection. So a further connection makes the parent look again.
fn await_admission(mut socket: &TcpStream, port: u16) -> io::Result<()> {
    let mut wait = FIRST_WAIT;
    loop {
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?);
        let limit = Timespec::try_from(wait).ok();
        if poll(&mut [PollFd::new(&socket, PollFlags::IN)], limit.as_ref())? > 0 {
            break;
        }
        wait = (2 * wait).min(MAX_WAIT);
    }
    let mut answer = [0];
    socket.read_exact(&mut answer)?;
    if answer == [ADMITTED] { Ok(()) } else { Err(io::Error::other("the process on the socket is not the parent")) }
}

/// Limits this process as its parent asks: there are no limits, so none is asked for.
pub(crate) fn apply_limits(_: &Hello) -> io::Result<()> {
    Ok(())
}
