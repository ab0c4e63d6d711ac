//! [`spawn`]: starts a child with a socket as its standard input. [`invitation`]: by what a process knows
//! that it is a child.

use super::{SEND_FLAGS, SpawnGuard, pipe, process::Process, socket_pair};
use crate::{init::VARIABLE, sys::Spawned, wire::MAX_LISTENERS};
use rustix::{
    fd::{AsFd, BorrowedFd},
    io::ioctl_fionbio,
    net::{SendAncillaryBuffer, SendAncillaryMessage, sendmsg},
};
use std::{
    env, fmt,
    fs::File,
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::UnixStream,
            process::CommandExt,
        },
    },
    process::{self, Command, Stdio},
};

/// Starts a child, and sends it the first frame with the listening sockets.
///
/// No `pre_exec`: it would turn `posix_spawn` into `fork`, which takes long in a large process.
pub(crate) fn spawn(mut command: Command, nonce: u64, hello: &[u8], listeners: &[TcpListener]) -> io::Result<Spawned> {
    let guard = SpawnGuard::lock();
    let (socket, theirs) = socket_pair()?;
    let (lifeline_read, lifeline) = pipe()?;
    ioctl_fionbio(&lifeline, true)?;

    let theirs = File::from(OwnedFd::from(theirs));
    let invitation = Invitation { parent: process::id(), nonce, socket: theirs.metadata()?.ino() };
    command.env(VARIABLE, invitation.to_string());
    if let Some(name) = env::args_os().next() {
        command.arg0(name);
    }
    // Ctrl-C in a terminal reaches the parent alone, which ends its children in order.
    command.process_group(0);
    command.stdin(Stdio::from(theirs));
    let (stderr, stderr_write) = pipe()?;
    ioctl_fionbio(&stderr, true)?;
    command.stderr(Stdio::from(stderr_write));
    let process = Process::new(command.spawn()?);
    drop(guard);
    drop(command); // and the child's ends of the socket and the pipe with it

    // From here on an error drops the process, which ends it.
    let descriptors = [lifeline_read.as_fd()].into_iter().chain(listeners.iter().map(AsFd::as_fd));
    match send_hello(&socket, hello, &descriptors.collect::<Vec<_>>()) {
        // The child has died already. The end of the socket leads to its exit status.
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
        sent => sent?,
    }
    Ok(Spawned { process, socket, lifeline: File::from(lifeline), stderr: File::from(stderr) })
}

/// Sends the first frame with descriptors. The socket is new, so it takes all of it at once.
fn send_hello(socket: &UnixStream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1 + MAX_LISTENERS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    let sent = sendmsg(socket, &[IoSlice::new(frame)], &mut ancillary, SEND_FLAGS)?;
    if sent == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// What a parent puts into the environment of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Invitation {
    /// The id of the parent.
    parent: u32,
    /// The number that the parent repeats over the socket.
    nonce: u64,
    /// The inode of the socket that is the child's standard input.
    socket: u64,
}

impl Invitation {
    fn parse(text: &str) -> Option<Self> {
        let (parent, rest) = text.split_once(':')?;
        let (nonce, socket) = rest.split_once(':')?;
        Some(Self { parent: parent.parse().ok()?, nonce: nonce.parse().ok()?, socket: socket.parse().ok()? })
    }

    /// Returns whether it is for this process.
    ///
    /// A process that a child starts inherits the variable, but has another parent and another
    /// standard input. An orphan, whose parent died meanwhile, is still a child: it must not run as
    /// the program. Its standard input shows it.
    fn is_ours(self) -> bool {
        let is_child =
            rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get().unsigned_abs() == self.parent);
        is_child || socket_inode(io::stdin()).is_ok_and(|inode| inode == Some(self.socket))
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.parent, self.nonce, self.socket)
    }
}

/// Returns the number that the parent of this process repeats, if this process is a child.
pub(crate) fn invitation() -> Option<u64> {
    let invitation = Invitation::parse(&env::var(VARIABLE).ok()?)?;
    invitation.is_ours().then_some(invitation.nonce)
}

/// Returns the inode of a descriptor, if it is a socket. Sockets of macOS have numbers of their own, which
/// inodes of files may repeat, and zero is none.
fn socket_inode(descriptor: impl AsFd) -> io::Result<Option<u64>> {
    let metadata = File::from(descriptor.as_fd().try_clone_to_owned()?).metadata()?;
    let inode = metadata.file_type().is_socket().then(|| metadata.ino());
    Ok(inode.filter(|inode| *inode != 0))
}

/// Returns a child that does nothing, and its end of the socket.
#[cfg(test)]
pub(crate) fn idle_child() -> (Spawned, UnixStream) {
    let process = Process::new(Command::new("sleep").arg("60").process_group(0).spawn().expect("it starts"));
    let (socket, theirs) = socket_pair().expect("a pair of sockets");
    let (stderr, _) = pipe().expect("a pipe");
    let (_, lifeline) = pipe().expect("a pipe");
    (Spawned { process, socket, lifeline: File::from(lifeline), stderr: File::from(stderr) }, theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invitation_survives_its_text() {
        let invitation = Invitation { parent: 1, nonce: u64::MAX, socket: 3 };
        assert_eq!(Invitation::parse(&invitation.to_string()), Some(invitation));
        assert_eq!(Invitation::parse("1:2"), None);
    }

    /// A file may have the number of a socket.
    #[test]
    fn socket_alone_has_the_number_of_one() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let number = socket_inode(&ours).expect("it is open");
        assert!(number.is_some() && number != socket_inode(&theirs).expect("it is open"));
        assert_eq!(socket_inode(ours.try_clone().expect("it is open")).expect("it is open"), number);
        assert_eq!(socket_inode(File::open("/dev/null").expect("it is there")).expect("it is open"), None);
    }
}
