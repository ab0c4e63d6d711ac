//! [`Listeners`]: the listening sockets that each child receives.

use super::builder::ProcessPoolBuilder;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The listening sockets of a pool, which closes them at its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners {
    sockets: Arc<Mutex<Vec<TcpListener>>>,
    addresses: Vec<SocketAddr>,
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, Vec<TcpListener>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns the addresses, once the sockets are prepared.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Makes the sockets ready for several processes, of which one gets a connection.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        let sockets = self.lock();
        let prepare = |socket: &TcpListener| socket.set_nonblocking(true).and_then(|()| socket.local_addr());
        let addresses = sockets.iter().map(prepare).collect::<io::Result<_>>()?;
        drop(sockets);
        self.addresses = addresses;
        Ok(())
    }

    /// Calls a function with the sockets.
    pub(super) fn with<T>(&self, call: impl FnOnce(&[TcpListener]) -> T) -> T {
        call(&self.lock())
    }

    /// Closes the sockets in this process.
    pub(super) fn close(&self) {
        self.lock().clear();
    }
}

impl ProcessPoolBuilder {
    /// Gives each child a listening socket, so that all accept connections at one address. A task gets it
    /// by [`listener`](crate::listener()), which has an example. With several calls, up to 16, children
    /// have several sockets: see [`listeners`](crate::listeners).
    ///
    /// The pool keeps the socket open, so that connections wait while no child accepts, and closes it
    /// when the pool has ended. `build` makes the socket nonblocking, for all processes that share it:
    /// see [`accept_timeout`](crate::accept_timeout). Programs that a child starts do not inherit it.
    ///
    /// The system decides which child gets a connection: the first of those that accept. It promises no
    /// fair share. Node's `cluster` distributes connections itself, one child after another, in the
    /// process of the parent.
    ///
    /// On Windows `build` fails.
    pub fn listener(self, socket: TcpListener) -> Self {
        self.config.listeners.lock().push(socket);
        self
    }
}
