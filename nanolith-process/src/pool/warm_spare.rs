//! [`ProcessPoolBuilder::warm_spare`]: a child that is started before it is needed.

use super::builder::ProcessPoolBuilder;

impl ProcessPoolBuilder {
    /// Sets whether one child more than those at work is kept started and idle. Then the next call does
    /// not wait for the start of a child, under a new load or after a crash. The default is false.
    ///
    /// The spare child is in addition to `max_children` if all of these are at work. It takes a call
    /// only in the place of one of them: no more than `max_children` run calls. Of `min_children`, an
    /// idle one is the spare. The spare starts with the pool, and does not end by the `idle_timeout`.
    ///
    /// ```standalone_crate
    /// use nanolith::prelude::*;
    /// use nanolith_process::{ProcessEvent, ProcessPool};
    ///
    /// pub struct Worker;
    ///
    /// #[define(wire)]
    /// impl Worker {
    ///     pub fn crash() { std::process::abort() }
    ///     pub fn pid() -> u32 { std::process::id() }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     nanolith_process::init().serve::<(Worker,)>();
    ///     let children = ProcessPool::builder().max_children(1).warm_spare(true).pass_stderr(false).build()?;
    ///     let events = children.events();
    ///     assert!(Worker::on(&children).crash().wait().is_err()); // meanwhile the next child starts
    ///     let online = events.filter_map(|event| match event {
    ///         ProcessEvent::Online { pid } => Some(pid),
    ///         _ => None,
    ///     });
    ///     let spare = online.take(2).last();
    ///     assert_eq!(Some(Worker::on(&children).pid().wait()?), spare);
    ///     Ok(())
    /// }
    /// ```
    pub fn warm_spare(mut self, keeps: bool) -> Self {
        self.config.warm_spare = keeps;
        self
    }
}
