//! [`TaskInfo`]: the description of a task: its names, its signature as text, its size and its
//! properties.

use std::num::NonZero;

/// The access that a task needs to its state.
///
/// ```
/// use nanolith::{TaskSet, prelude::*, task::Receiver};
/// # use nanolith_doc_sets::*;
/// assert_eq!(Counter::TASKS[0].state(), Receiver::Exclusive); // `bump(&mut self, ..)`
/// assert_eq!(Counter::TASKS[1].state(), Receiver::Shared);    // `total(&self)`
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Receiver {
    /// No `self`: the task runs anywhere.
    None,
    /// `&self`: the task shares the state with others.
    Shared,
    /// `&mut self`: the task has the state alone.
    Exclusive,
}

/// The description of one task of a set, as its definition states it.
///
/// ```
/// use nanolith::{TaskSet, prelude::*, task::TaskInfo};
/// # use nanolith_doc_sets::*;
/// let add: &TaskInfo = &Geometry::TASKS[0];
/// assert_eq!((add.set(), add.name(), add.to_string()), ("Geometry", "add", "Geometry::add".into()));
/// assert_eq!((add.argument_types(), add.output_type()), (&[("x", "i64"), ("y", "i64")][..], "i64"));
/// assert_eq!(add.argument_size(), 16); // bytes
/// assert!(!add.is_async() && !add.is_local() && !add.is_idempotent());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskInfo {
    set: &'static str,
    name: &'static str,
    identifier: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    output: &'static str,
    receiver: Receiver,
    size: usize,
    asynchronous: bool,
    local: bool,
    idempotent: bool,
    concurrency: Option<NonZero<u32>>,
}

impl TaskInfo {
    /// Creates the description of a synchronous task without arguments, output or state. The other
    /// methods add to it. `#[define]` generates this call.
    ///
    /// ```
    /// use nanolith::task::TaskInfo;
    /// const ADD: TaskInfo = TaskInfo::new("Geometry", "add", "demo::Geometry::add")
    ///     .arguments(&[("x", "i64"), ("y", "i64")])
    ///     .output("i64")
    ///     .size(16);
    /// assert_eq!((ADD.to_string(), ADD.identifier()), ("Geometry::add".into(), "demo::Geometry::add"));
    /// ```
    #[must_use]
    pub const fn new(set: &'static str, name: &'static str, identifier: &'static str) -> Self {
        Self {
            set,
            name,
            identifier,
            arguments: &[],
            output: "()",
            receiver: Receiver::None,
            size: 0,
            asynchronous: false,
            local: false,
            idempotent: false,
            concurrency: None,
        }
    }

    /// Sets the arguments, each a name and its type as written.
    #[must_use]
    pub const fn arguments(mut self, arguments: &'static [(&'static str, &'static str)]) -> Self {
        self.arguments = arguments;
        self
    }

    /// Sets the output type, as written.
    #[must_use]
    pub const fn output(mut self, output: &'static str) -> Self {
        self.output = output;
        self
    }

    /// Sets the access to the state.
    #[must_use]
    pub const fn receiver(mut self, receiver: Receiver) -> Self {
        self.receiver = receiver;
        self
    }

    /// Sets the size of the arguments, in bytes.
    #[must_use]
    pub const fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Marks the task as an `async fn`, or as a task that runs in slices.
    #[must_use]
    pub const fn asynchronous(mut self) -> Self {
        self.asynchronous = true;
        self
    }

    /// Marks the task's future as bound to one thread: only services run it.
    #[must_use]
    pub const fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Marks the task as idempotent: it may run twice without harm.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Sets the maximum number of the task's calls that run at once on a pool: at least 1. Without
    /// this setting there is no limit of the task's own.
    ///
    /// # Panics
    ///
    /// If `calls` is 0. In a constant, this is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = NonZero::new(calls);
        assert!(self.concurrency.is_some(), "`concurrency` must be at least 1");
        self
    }

    /// Returns the name of the set: `Geometry`.
    #[must_use]
    pub const fn set(&self) -> &'static str {
        self.set
    }

    /// Returns the name of the task: `add`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the identifier, stable from build to build: `demo::Geometry::add`.
    #[must_use]
    pub const fn identifier(&self) -> &'static str {
        self.identifier
    }

    /// Returns the arguments, each a name and its type as written.
    #[must_use]
    pub const fn argument_types(&self) -> &'static [(&'static str, &'static str)] {
        self.arguments
    }

    /// Returns the output type as written.
    #[must_use]
    pub const fn output_type(&self) -> &'static str {
        self.output
    }

    /// Returns the access that the task needs to its state.
    #[must_use]
    pub const fn state(&self) -> Receiver {
        self.receiver
    }

    /// Returns the size of the task's arguments in bytes.
    ///
    /// Each call of a set takes as much memory as the set's largest task: box arguments above 512
    /// bytes.
    #[must_use]
    pub const fn argument_size(&self) -> usize {
        self.size
    }

    /// Returns whether the task leaves a future: an `async fn`, or a task that runs in slices.
    #[must_use]
    pub const fn is_async(&self) -> bool {
        self.asynchronous
    }

    /// Returns whether only a service can run the task, since its future stays on one thread.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.local
    }

    /// Returns whether the task may run twice without harm.
    #[must_use]
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Returns the maximum number of the task's calls that run at once on a pool, as set by
    /// `#[task(concurrency = 2)]`. Returns `None` if only the pool's own concurrency limits them.
    ///
    /// ```
    /// use nanolith::{TaskSet, prelude::*};
    /// # pub struct Geometry;
    /// #[define]
    /// impl Geometry {
    ///     #[task(concurrency = 2)]
    ///     pub fn add(x: i64, y: i64) -> i64 { x + y }
    /// }
    /// assert_eq!(Geometry::TASKS[0].max_concurrency(), Some(2));
    /// ```
    #[must_use]
    pub const fn max_concurrency(&self) -> Option<usize> {
        match self.concurrency {
            Some(calls) => Some(calls.get() as usize),
            None => None,
        }
    }
}

/// Returns whether any of these tasks has a limit of its own. This runs at compile time, so sets
/// without such a limit have no cost.
pub(crate) const fn any_limited(tasks: &[TaskInfo]) -> bool {
    let mut at = 0;
    while at < tasks.len() {
        if tasks[at].concurrency.is_some() {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether any of these tasks is asynchronous. This runs at compile time.
pub(crate) const fn any_async(tasks: &[TaskInfo]) -> bool {
    let mut at = 0;
    while at < tasks.len() {
        if tasks[at].is_async() {
            return true;
        }
        at += 1;
    }
    false
}

impl std::fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.set, self.name)
    }
}

/// Returns a hash that changes with any task's name, arguments or output, and with nothing else.
///
/// The hash is [FNV-1a](https://en.wikipedia.org/wiki/Fowler%E2%80%93Noll%E2%80%93Vo_hash_function)
/// with 64 bits.
///
/// ```
/// use nanolith::task::{TaskInfo, fingerprint};
/// const ADD: TaskInfo = TaskInfo::new("Geometry", "add", "demo::Geometry::add").output("i64");
/// assert_eq!(fingerprint(&[ADD]), fingerprint(&[ADD.size(16)]));
/// assert_ne!(fingerprint(&[ADD]), fingerprint(&[ADD.output("u64")]));
/// ```
#[must_use]
pub const fn fingerprint(tasks: &[TaskInfo]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < tasks.len() {
        let task = &tasks[at];
        hash = mix(hash, task.name);
        let mut argument = 0;
        while argument < task.arguments.len() {
            hash = mix(mix(hash, task.arguments[argument].0), task.arguments[argument].1);
            argument += 1;
        }
        hash = mix(mix(hash, "->"), task.output);
        at += 1;
    }
    hash
}

/// Hashes a text, and a byte that no UTF-8 text contains to end it.
const fn mix(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: TaskInfo = TaskInfo::new("G", "add", "g::add").arguments(&[("x", "i64")]).output("i64");

    #[test]
    fn fingerprint_follows_names_and_types() {
        let same = fingerprint(&[ADD]);
        assert_eq!(same, fingerprint(&[ADD.size(8).idempotent()]));
        assert_ne!(same, fingerprint(&[ADD.output("u64")]));
        assert_ne!(same, fingerprint(&[ADD.arguments(&[("xi", "64")])]));
        assert_ne!(same, fingerprint(&[ADD, ADD]));
    }
}
