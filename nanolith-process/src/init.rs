//! [`init`]: decides at the start of `main` whether this process is a child, which then serves.

use crate::{
    child,
    served::{self, ServedSets},
};
use std::{env, sync::OnceLock};

/// The environment variable by which a process knows that it is a child: the id of its parent and a
/// number that the parent repeats over the socket.
pub(crate) const VARIABLE: &str = "NANOLITH_PROCESS";

/// What this process is.
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

/// Returns the number that the parent will repeat, if this process is a child.
///
/// A process that a child starts inherits the variable, but has another parent.
fn invitation() -> Option<u64> {
    static INVITATION: OnceLock<Option<u64>> = OnceLock::new();
    *INVITATION.get_or_init(|| {
        let value = env::var(VARIABLE).ok()?;
        let (parent, nonce) = value.split_once(':')?;
        let parent: i32 = parent.parse().ok()?;
        let is_ours = rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
        if is_ours { nonce.parse().ok() } else { None }
    })
}

/// Begins the set-up of a program that has child processes. [`Init::serve`] ends it.
pub fn init() -> Init {
    Init { on_start: None }
}

/// The set-up of a program that has child processes.
#[derive(Debug)]
#[must_use = "a child does not serve before `serve`"]
pub struct Init {
    on_start: Option<fn()>,
}

impl Init {
    /// Sets a function that each child calls before it serves: to set up logging, for example.
    pub fn on_child_start(mut self, hook: fn()) -> Self {
        self.on_start = Some(hook);
        self
    }

    /// Serves these sets, if this process is a child. A child runs calls until its parent closes the
    /// connection, and then exits: this function does not return. In the parent it returns at once.
    ///
    /// It should be the first statement of `main`. What comes before it runs in each child too.
    pub fn serve<T: ServedSets>(self) {
        let sets = served::register::<T>();
        if let Some(nonce) = invitation() {
            child::serve(sets, nonce, self.on_start);
        }
    }
}
