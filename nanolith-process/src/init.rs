//! [`init`]: decides at the start of `main` whether this process is a child, which then serves.

use crate::{
    child, program,
    served::{self, ServedSets},
};
use std::{
    env, fmt,
    fs::File,
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    sync::OnceLock,
};

/// The environment variable by which a process knows that it is a child: an [`Invitation`].
pub(crate) const VARIABLE: &str = "NANOLITH_PROCESS";

/// What a parent puts into the environment of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// The id of the parent.
    pub(crate) parent: u32,
    /// The number that the parent repeats over the socket.
    pub(crate) nonce: u64,
    /// The inode of the socket that is the child's standard input.
    pub(crate) socket: u64,
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

/// Returns the inode of a descriptor, if it is a socket. Sockets of macOS have numbers of their own, which
/// inodes of files may repeat, and zero is none.
fn socket_inode(descriptor: impl AsFd) -> io::Result<Option<u64>> {
    let metadata = File::from(descriptor.as_fd().try_clone_to_owned()?).metadata()?;
    let inode = metadata.file_type().is_socket().then(|| metadata.ino());
    Ok(inode.filter(|inode| *inode != 0))
}

/// What this process is, from [`role`].
///
/// ```
/// use nanolith_process::{Role, role};
/// if role() == Role::Parent {
///     println!("printed once, however many children start");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The program as it was started.
    Parent,
    /// A child that a [`ProcessPool`](crate::ProcessPool) of this program started.
    Child,
}

/// Returns what this process is, like `isPrimary` of Node's `cluster`.
///
/// ```
/// assert_eq!(nanolith_process::role(), nanolith_process::Role::Parent);
/// ```
#[must_use]
pub fn role() -> Role {
    if invitation().is_some() { Role::Child } else { Role::Parent }
}

/// Returns the invitation to serve, if this process is a child.
fn invitation() -> Option<Invitation> {
    static INVITATION: OnceLock<Option<Invitation>> = OnceLock::new();
    *INVITATION.get_or_init(|| Invitation::parse(&env::var(VARIABLE).ok()?).filter(|found| found.is_ours()))
}

/// Begins the set-up of a program that has child processes. [`Init::serve`] ends it, and has an
/// example.
pub fn init() -> Init {
    Init { on_start: None }
}

/// The set-up of a program that has child processes, from [`init`]. It does nothing before
/// [`serve`](Self::serve), which has an example.
#[derive(Debug)]
#[must_use = "a child does not serve before `serve`"]
pub struct Init {
    on_start: Option<fn()>,
}

impl Init {
    /// Sets a function that each child calls before it serves: to set up logging, for example. The
    /// child has its limits by then. A panic in the function ends the child, which has failed to
    /// start.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::ProcessPool;
    /// use std::sync::OnceLock;
    ///
    /// static GREETING: OnceLock<String> = OnceLock::new();
    /// pub struct Greeter;
    ///
    /// #[define(wire)]
    /// impl Greeter {
    ///     pub fn greet() -> Option<String> { GREETING.get().cloned() }
    /// }
    ///
    /// fn set_greeting() {
    ///     let _ = GREETING.set("hello".into());
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().on_child_start(set_greeting).serve::<(Greeter,)>();
    ///     let children = ProcessPool::builder().max_children(1).build()?;
    ///     assert_eq!(Greeter::on(&children).greet().wait()?.as_deref(), Some("hello"));
    ///     assert_eq!(Greeter::greet(), None); // this process is the parent
    ///     Ok(())
    /// }
    /// ```
    pub fn on_child_start(mut self, hook: fn()) -> Self {
        self.on_start = Some(hook);
        self
    }

    /// Serves these sets, if this process is a child. A child runs calls until its parent closes the
    /// connection, and then exits: this function does not return. In the parent it returns at once.
    ///
    /// It should be the first statement of `main`. What comes before it runs in each child too. Of
    /// several calls in one process, the first decides which sets are served.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::{ProcessPool, Role, role};
    ///
    /// pub struct Family;
    ///
    /// #[define(wire)]
    /// impl Family {
    ///     pub fn is_child() -> bool { role() == Role::Child }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Family,)>();
    ///     let children = ProcessPool::builder().max_children(1).build()?;
    ///     assert!(Family::on(&children).is_child().wait()?);
    ///     assert!(!Family::is_child());
    ///     Ok(())
    /// }
    /// ```
    pub fn serve<T: ServedSets>(self) {
        let sets = served::register::<T>();
        program::remember();
        if let Some(Invitation { nonce, .. }) = invitation() {
            child::serve(sets, nonce, self.on_start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

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
