//! Starts a child process: the same program again, with a socket as its standard input.

use super::{
    builder::{Config, Stdout},
    child::Child,
    link::Link,
    stderr::StderrTail,
};
use crate::{
    descriptors::{self, SEND_FLAGS, SpawnGuard},
    init::{Invitation, VARIABLE},
    program::program,
    wire::{self, FrameReader, Hello, Kind, MAX_LISTENERS},
};
use rustix::{
    fd::{AsFd, BorrowedFd},
    io::ioctl_fionbio,
    net::{SendAncillaryBuffer, SendAncillaryMessage, sendmsg},
};
use std::{
    env,
    fs::File,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{fs::MetadataExt, net::UnixStream, process::CommandExt},
    },
    process::{self, Command, Stdio},
};

/// Starts a child. Its first frame says when it serves.
pub(super) fn spawn(config: &Config, id: u64) -> io::Result<Child> {
    let guard = SpawnGuard::lock();
    let (ours, theirs) = descriptors::socket_pair()?;
    let (lifeline_read, lifeline_write) = descriptors::pipe()?;
    ioctl_fionbio(&lifeline_write, true)?;
    let nonce = fastrand::u64(..);

    let theirs = File::from(OwnedFd::from(theirs));
    let invitation = Invitation { parent: process::id(), nonce, socket: theirs.metadata()?.ino() };
    let mut command = command(config, invitation)?;
    command.stdin(Stdio::from(theirs));
    let (stderr, stderr_write) = descriptors::pipe()?;
    ioctl_fionbio(&stderr, true)?;
    command.stderr(Stdio::from(stderr_write));
    let process = command.spawn()?;
    drop(guard);
    drop(command); // and the child's ends of the socket and the pipe with it

    let stderr = StderrTail::new(File::from(stderr), config.pass_stderr);
    let link = Link::new(config);
    let reader = FrameReader::new(config.max_message, config.spins);
    let child = Child::new(id, process, (ours, File::from(lifeline_write)), stderr, reader, link);
    // From here on an error drops the child, which ends the process.
    let hello = hello(config, nonce)?;
    let sent = config.listeners.send_after(lifeline_read.as_fd(), |sent| send_hello(&child.socket, &hello, sent));
    match sent {
        // The child has died already. The end of the socket leads to its exit status.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(child),
        sent => sent.map(|()| child),
    }
}

/// No `pre_exec`: it would turn `posix_spawn` into `fork`, which takes long in a large process.
fn command(config: &Config, invitation: Invitation) -> io::Result<Command> {
    let mut command = Command::new(program()?);
    if let Some(name) = env::args_os().next() {
        command.arg0(name);
    }
    if config.env_clear {
        command.env_clear();
    }
    for (name, value) in &config.env {
        match value.clone().or_else(|| env::var_os(name)) {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env(VARIABLE, invitation.to_string());
    if let Some(folder) = &config.current_dir {
        command.current_dir(folder);
    }
    command.stdout(match config.stdout {
        Stdout::Inherit => Stdio::inherit(),
        Stdout::Null => Stdio::null(),
    });
    // Ctrl-C in a terminal reaches the parent alone, which ends its children in order.
    command.process_group(0);
    Ok(command)
}

fn hello(config: &Config, nonce: u64) -> io::Result<Vec<u8>> {
    let hello = Hello {
        nonce,
        max_message: config.max_message,
        memory: config.memory,
        cpu_seconds: config.cpu_time.map(|limit| limit.as_secs()),
        nice: config.nice,
        listeners: config.listeners.len(),
        spins: config.spins,
    };
    let mut frame = wire::start_frame();
    wire::encode(&hello, &mut frame, config.max_message).map_err(io::Error::other)?;
    wire::finish_frame(&mut frame, Kind::HELLO, 0);
    Ok(frame)
}

/// Sends the first frame with descriptors. The socket is new, so it takes all of it at once.
fn send_hello(socket: &UnixStream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1 + MAX_LISTENERS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    let sent = sendmsg(socket, &[IoSlice::new(frame)], &mut ancillary, SEND_FLAGS)?;
    if sent == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
