//! [`init`]: decides at the start of `main` whether this process is a child, which then serves.

use crate::{
    child, program,
    served::{self, ServedSets},
    sys,
};
use std::sync::OnceLock;

/// The environment variable by which a process knows that it is a child.
pub(crate) const VARIABLE: &str = "NANOLITH_PROCESS";

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

/// Returns the number that the parent of this process repeats, if this process is a child.
fn invitation() -> Option<u64> {
    static INVITATION: OnceLock<Option<u64>> = OnceLock::new();
    *INVITATION.get_or_init(sys::invitation)
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
    /// A `#[test]` of the standard harness may call it too, as the first statement of the test. A child
    /// then runs this test alone, up to this call. The name of the test is that of its thread, so the
    /// call must be on the thread that the harness started.
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
        if let Some(nonce) = invitation() {
            child::serve(sets, nonce, self.on_start);
        }
    }
}
