//! [`listener`]: the listening sockets that a child shares with its parent and its siblings.

use super::calls::Calls;
use crate::wire::{self, Kind};
use std::{
    net::TcpListener,
    sync::{Arc, Once, OnceLock},
};

/// The listening sockets of this child.
struct Shared {
    sockets: Vec<TcpListener>,
    /// Runs at the first use, of which the parent hears.
    announced: Once,
    calls: Arc<Calls>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();

/// Keeps the sockets that came from the parent.
pub(super) fn keep(sockets: Vec<TcpListener>, calls: Arc<Calls>) {
    let _ = SHARED.set(Shared { sockets, announced: Once::new(), calls }); // a process is a child once
}

/// Returns the listening socket that this child shares with its parent and its siblings: the first of
/// the pool's [`ProcessPoolBuilder::listener`](crate::ProcessPoolBuilder::listener). Returns `None` in
/// the parent, and in a child of a pool without one.
///
/// The first call in a child is the event [`Listening`](crate::ProcessEvent::Listening).
///
/// The socket does not block: [`accept_timeout`](crate::accept_timeout) waits for a connection. Its
/// other settings are shared too, so a child that changes one changes it for all.
///
/// ```standalone_crate
/// use nanolith::{prelude::*, time::MILLISECOND};
/// use nanolith_process::{ProcessPool, accept_timeout, is_retiring, listener};
/// use std::{io::{Read, Write}, net::{TcpListener, TcpStream}, process};
///
/// pub struct Server;
///
/// #[define(wire)]
/// impl Server {
///     /// Sends the id of its process to each client, until its child is to end.
///     pub fn serve() -> u32 {
///         let (listener, mut served) = (listener().expect("the pool has one"), 0);
///         while !is_retiring() {
///             let Ok(Some((mut client, _))) = accept_timeout(listener, 20 * MILLISECOND) else { continue };
///             served += u32::from(write!(client, "{}", process::id()).is_ok());
///         }
///         served
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Server,)>();
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let children = ProcessPool::builder().max_children(2).listener(listener).build()?;
///     let jobs = [Server::on(&children).serve().submit(), Server::on(&children).serve().submit()];
///     let mut pid = String::new();
///     TcpStream::connect(address)?.read_to_string(&mut pid)?;
///     assert!(children.pids().contains(&pid.parse()?));
///     children.close(); // the tasks return
///     let [first, second] = jobs.map(|job| job.wait());
///     assert_eq!(first? + second?, 1);
///     Ok(())
/// }
/// ```
#[must_use]
pub fn listener() -> Option<&'static TcpListener> {
    listeners().first()
}

/// Returns the listening sockets that this child shares with its parent and its siblings, in the order
/// in which the builder of the pool got them. See [`listener`], which has an example.
#[must_use]
pub fn listeners() -> &'static [TcpListener] {
    let Some(shared) = SHARED.get() else { return &[] };
    if !shared.sockets.is_empty() {
        shared.announced.call_once(|| {
            let mut frame = wire::start_frame();
            wire::finish_frame(&mut frame, Kind::LISTENING, 0);
            let _ = shared.calls.send(&frame); // the thread that serves finds the end of the connection
        });
    }
    &shared.sockets
}
