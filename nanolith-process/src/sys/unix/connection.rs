//! [`Connection`]: what a child takes from its standard input at its start: the socket, over which the
//! lifeline and the settings come.

use super::ChildSocket;
use crate::{
    sys::Greeting,
    wire::{Frame, Hello, MAX_LISTENERS},
};
use rustix::{
    io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::{Resource, Rlimit, nice, setrlimit},
    stdio,
};
use std::{
    fs::File,
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    net::TcpListener,
    os::fd::OwnedFd,
};

/// The socket of this process, which is a child.
pub(crate) struct Connection {
    pub(crate) socket: ChildSocket,
}

impl Connection {
    /// Takes the socket away from standard input, which is `/dev/null` from then on. So neither a task
    /// nor a process that it starts reads from the socket or keeps it open.
    pub(crate) fn take() -> io::Result<Self> {
        let socket = fcntl_dupfd_cloexec(stdio::stdin(), 3)?;
        stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self { socket: ChildSocket::from(socket) })
    }

    /// Receives the lifeline, the listening sockets and the settings.
    pub(crate) fn receive_greeting(&self, nonce: u64) -> io::Result<Greeting> {
        let (frame, mut descriptors) = receive_hello(&self.socket)?;
        let hello = Hello::from_frame(&frame, nonce)?;
        if descriptors.len() != 1 + hello.listeners {
            let (found, wanted) = (descriptors.len(), 1 + hello.listeners);
            return Err(io::Error::other(format!(
                "{found} of {wanted} descriptors arrived: raise the limit of open files"
            )));
        }
        let lifeline = File::from(descriptors.remove(0));
        let listeners = descriptors.into_iter().map(TcpListener::from).collect();
        Ok(Greeting { lifeline, listeners, hello })
    }
}

/// Receives the first frame, and the descriptors that come with it.
fn receive_hello(socket: &ChildSocket) -> io::Result<(Frame, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1 + MAX_LISTENERS))];
    let (mut bytes, mut descriptors) = (Vec::new(), Vec::new());
    loop {
        let mut piece = [0; 4096];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(socket, &mut [IoSliceMut::new(&mut piece)], &mut ancillary, flags());
        let count = match received {
            Ok(message) => message.bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&piece[..count]);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        // A system without the flag for it makes descriptors that are inherited.
        descriptors.iter().try_for_each(|descriptor| fcntl_setfd(descriptor, FdFlags::CLOEXEC))?;
        // The parent sends nothing else before the child is ready.
        if let Some(frame) = Frame::whole(&bytes) {
            return Ok((frame, descriptors));
        }
    }
}

#[cfg(all(target_os = "linux", not(nanolith_poll)))]
fn flags() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(all(target_os = "linux", not(nanolith_poll))))]
fn flags() -> RecvFlags {
    RecvFlags::empty()
}

/// Limits this process as its parent asks.
pub(crate) fn apply_limits(hello: &Hello) -> io::Result<()> {
    let limit =
        |resource, soft: u64, hard: u64| setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) });
    if let Some(bytes) = hello.memory {
        limit(Resource::Data, bytes, bytes)?;
    }
    if let Some(seconds) = hello.cpu_seconds {
        // At the soft limit the system sends `SIGXCPU`, at the hard one `SIGKILL`.
        limit(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    }
    if let Some(increment) = hello.nice {
        nice(increment)?;
    }
    Ok(())
}
