//! [`Socket`] and [`Lifeline`]: the parent's ends of two connections that a child makes.

use super::{accept, prepare};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::windows::io::{AsSocket, BorrowedSocket},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// The length of the secret of a child.
pub(super) const SECRET: usize = 16;
/// The length of what a child sends first over each connection: the secret and the purpose.
pub(super) const TICKET: usize = SECRET + 1;
/// The purpose of the connection that calls pass over.
pub(super) const FOR_CALLS: u8 = 1;
/// The purpose of the connection that is the lifeline.
pub(super) const FOR_LIFELINE: u8 = 2;
/// What the parent sends over the first of the two when it has both.
pub(super) const ADMITTED: u8 = 1;

/// The number of connections that may be without a ticket. The oldest of more are closed.
const MAX_GUESTS: usize = 16;

/// The parent's end of a child's socket. Until the child has connected, it is the socket that listens.
pub(crate) struct Socket {
    /// It stays open, since another thread may be waiting for it. Nothing is accepted once the child has
    /// connected.
    listener: TcpListener,
    stream: OnceLock<TcpStream>,
    lobby: Mutex<Lobby>,
}

/// The connections that have not shown the secret.
struct Lobby {
    secret: [u8; SECRET],
    guests: Vec<Guest>,
    for_calls: Option<TcpStream>,
    for_lifeline: Option<TcpStream>,
    lifeline: Lifeline,
}

struct Guest {
    stream: TcpStream,
    ticket: Vec<u8>,
}

impl Socket {
    /// Creates the socket and the lifeline of a child that does not exist yet.
    pub(super) fn new(listener: TcpListener, secret: [u8; SECRET]) -> io::Result<(Self, Lifeline)> {
        listener.set_nonblocking(true)?;
        let lifeline = Lifeline::default();
        let lobby =
            Lobby { secret, guests: Vec::new(), for_calls: None, for_lifeline: None, lifeline: lifeline.clone() };
        Ok((Self { listener, stream: OnceLock::new(), lobby: Mutex::new(lobby) }, lifeline))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.get().map_or(Ok(()), |stream| stream.shutdown(how))
    }
}

impl AsSocket for Socket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.stream.get().map_or_else(|| self.listener.as_socket(), AsSocket::as_socket)
    }
}

/// Returns whether the child has connected, after a look at the connections that have arrived.
pub(crate) fn is_connected(socket: &Socket) -> bool {
    if socket.stream.get().is_some() {
        return true;
    }
    let mut lobby = socket.lobby.lock().unwrap_or_else(PoisonError::into_inner);
    lobby.accept(&socket.listener);
    lobby.check_tickets();
    let Some(stream) = lobby.take_both() else { return false };
    socket.stream.set(stream).is_ok() // under the lock, so no other thread has set it
}

impl Lobby {
    fn accept(&mut self, listener: &TcpListener) {
        loop {
            match accept(listener).and_then(|stream| stream.set_nonblocking(true).map(|()| stream)) {
                Ok(stream) => self.guests.push(Guest { stream, ticket: Vec::with_capacity(TICKET) }),
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => {}
                Err(_) => break, // there are no more
            }
            if self.guests.len() > MAX_GUESTS {
                self.guests.remove(0);
            }
        }
    }

    /// Lets in the guests that have the secret, and closes those that have another ticket or have left.
    fn check_tickets(&mut self) {
        for mut guest in std::mem::take(&mut self.guests) {
            match guest.read_ticket() {
                Ok(()) => self.admit(guest),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.guests.push(guest),
                Err(_) => {}
            }
        }
    }

    fn admit(&mut self, guest: Guest) {
        let Some((purpose, secret)) = guest.ticket.split_last() else { return };
        // All bytes are compared, so that the time does not show where they differ.
        let difference = secret.iter().zip(&self.secret).fold(0, |difference, (a, b)| difference | (a ^ b));
        match *purpose {
            FOR_CALLS if difference == 0 => self.for_calls = Some(guest.stream),
            FOR_LIFELINE if difference == 0 => self.for_lifeline = Some(guest.stream),
            _ => {}
        }
    }

    /// Opens the lifeline and returns the stream for calls, once both are there.
    fn take_both(&mut self) -> Option<TcpStream> {
        if self.for_calls.is_none() || self.for_lifeline.is_none() {
            return None;
        }
        let (mut calls, lifeline) = (self.for_calls.take()?, self.for_lifeline.take()?);
        // If one of these fails, the connection has ended, which the next read shows.
        let _ = prepare(&calls).and_then(|()| prepare(&lifeline));
        let _ = calls.write_all(&[ADMITTED]);
        self.lifeline.open(lifeline);
        self.guests.clear();
        Some(calls)
    }
}

impl Guest {
    /// Reads until the ticket is whole. Fails with `WouldBlock` if that takes longer.
    fn read_ticket(&mut self) -> io::Result<()> {
        while self.ticket.len() < TICKET {
            let mut piece = [0; TICKET];
            let room = TICKET - self.ticket.len();
            match self.stream.read(&mut piece[..room]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.ticket.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The parent's end of a child's lifeline. It does not block. What is written before the child has
/// connected is sent then.
#[derive(Clone, Default)]
pub(crate) struct Lifeline {
    state: Arc<Mutex<LifelineState>>,
}

#[derive(Default)]
struct LifelineState {
    stream: Option<TcpStream>,
    /// What is written and not sent. Once there is a stream, it is the rest of a request.
    unsent: Vec<u8>,
}

impl Lifeline {
    fn lock(&self) -> MutexGuard<'_, LifelineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, stream: TcpStream) {
        let mut state = self.lock();
        state.stream = Some(stream);
        state.send_rest();
    }
}

impl LifelineState {
    fn send_rest(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let sent = stream.write(&self.unsent).unwrap_or(0); // the end of the child shows elsewhere
        self.unsent.drain(..sent);
    }
}

impl Write for &Lifeline {
    /// Takes a request whole, or fails with `WouldBlock` if requests are in its way.
    fn write(&mut self, request: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        state.send_rest();
        if state.stream.is_some() && !state.unsent.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.unsent.extend_from_slice(request);
        state.send_rest();
        Ok(request.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the ends of both connections: the parent's first.
#[cfg(test)]
pub(super) fn connected() -> (Socket, Lifeline, TcpStream, TcpStream) {
    let (socket, lifeline, port) = tests::listening();
    let mut theirs = tests::connect(port, &tests::SECRET, FOR_CALLS);
    let their_lifeline = tests::connect(port, &tests::SECRET, FOR_LIFELINE);
    tests::await_connection(&socket);
    let mut answer = [0];
    theirs.read_exact(&mut answer).expect("it is there");
    assert_eq!(answer, [ADMITTED]);
    (socket, lifeline, theirs, their_lifeline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::windows::{connection, listen};
    use std::{
        thread,
        time::{Duration, Instant},
    };

    pub(super) const SECRET: [u8; super::SECRET] = *b"0123456789abcdef";

    pub(super) fn listening() -> (Socket, Lifeline, u16) {
        let listener = listen().expect("it is made");
        let port = listener.local_addr().expect("it has an address").port();
        let (socket, lifeline) = Socket::new(listener, SECRET).expect("it is made");
        (socket, lifeline, port)
    }

    pub(super) fn connect(port: u16, secret: &[u8; super::SECRET], purpose: u8) -> TcpStream {
        connection::connect(port, secret, purpose).expect("the parent listens")
    }

    pub(super) fn await_connection(socket: &Socket) {
        let start = Instant::now();
        while !is_connected(socket) {
            assert!(start.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn process_without_the_secret_is_not_let_in() {
        let (socket, _lifeline, port) = listening();
        let strangers = [
            connect(port, b"0123456789abcdeF", FOR_CALLS),
            connect(port, b"0123456789abcdeF", FOR_LIFELINE),
            connect(port, &SECRET, 3),
        ];
        let _child = connect(port, &SECRET, FOR_LIFELINE);
        for mut stranger in strangers {
            assert!(!is_connected(&socket));
            stranger.set_read_timeout(Some(Duration::from_millis(1))).expect("it is set");
            let start = Instant::now();
            while stranger.read(&mut [0]).is_err_and(|error| error.kind() != ErrorKind::ConnectionReset) {
                assert!(!is_connected(&socket) && start.elapsed() < Duration::from_secs(20));
            }
        }
        let _calls = connect(port, &SECRET, FOR_CALLS);
        await_connection(&socket);
    }

    #[test]
    fn silent_connections_do_not_keep_the_child_out() {
        let (socket, _lifeline, port) = listening();
        let _silent: Vec<_> = (0..2 * MAX_GUESTS).map(|_| TcpStream::connect(("127.0.0.1", port))).collect();
        assert!(!is_connected(&socket));
        let _child = [connect(port, &SECRET, FOR_CALLS), connect(port, &SECRET, FOR_LIFELINE)];
        await_connection(&socket);
    }

    #[test]
    fn request_before_the_connection_arrives() {
        let (socket, lifeline, port) = listening();
        assert_eq!((&lifeline).write(b"early").expect("it is kept"), 5);
        let _calls = connect(port, &SECRET, FOR_CALLS);
        let mut theirs = connect(port, &SECRET, FOR_LIFELINE);
        await_connection(&socket);
        assert_eq!((&lifeline).write(b"late").expect("it is sent"), 4);
        let mut arrived = [0; 9];
        theirs.read_exact(&mut arrived).expect("it arrives");
        assert_eq!(&arrived, b"earlylate");
    }

    #[test]
    fn requests_of_a_full_lifeline_stay_whole() {
        let (socket, lifeline, _calls, mut theirs) = connected();
        let mut taken: usize = 0;
        while (&lifeline).write(b"123456789").is_ok() {
            taken += 1;
        }
        let reading = thread::spawn(move || {
            let mut arrived = Vec::new();
            theirs.read_to_end(&mut arrived).map(|_| arrived)
        });
        let start = Instant::now();
        while (&lifeline).write(b"123456789").is_err() {
            assert!(start.elapsed() < Duration::from_secs(20));
            thread::yield_now();
        }
        while !lifeline.lock().unsent.is_empty() {
            lifeline.lock().send_rest();
        }
        drop((socket, lifeline));
        let arrived = reading.join().expect("it does not panic").expect("it is read");
        assert_eq!(arrived, b"123456789".repeat(taken + 1));
    }
}
