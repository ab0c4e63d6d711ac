//! [`ProcessClusterBuilder`]: the settings of a cluster of child processes, and its launch.

use super::launch::ProcessClusterLaunch;
use crate::{ProcessServiceBuilder, served::ProcessSet};
use nanolith::cluster::Balance;
use std::{fmt, marker::PhantomData, sync::Arc};

/// The settings of a [`ProcessCluster`](crate::ProcessCluster). Made by
/// [`ProcessCluster::builder`](crate::ProcessCluster::builder).
#[must_use = "settings do nothing until `launch`"]
pub struct ProcessClusterBuilder<S: ProcessSet> {
    name: Option<Arc<str>>,
    balance: Balance,
    set: PhantomData<fn(S)>,
}

impl<S: ProcessSet> ProcessClusterBuilder<S> {
    pub(super) fn new() -> Self {
        Self { name: None, balance: Balance::default(), set: PhantomData }
    }

    /// Sets the name of the cluster. Each member's name is this name with the member's number. By
    /// default the members keep the names of their own builders.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how the member that a call goes to is chosen. The default is
    /// [`Balance::LeastBusy`].
    pub fn balance(mut self, balance: Balance) -> Self {
        self.balance = balance;
        self
    }

    /// Starts `n` members at the same time, each with the builder that `member` returns. `n` is at
    /// least 1.
    ///
    /// # Errors
    ///
    /// The returned [`ProcessClusterLaunch`] yields them: see
    /// [`ProcessClusterLaunchError`](crate::ProcessClusterLaunchError).
    pub fn launch(self, n: usize, member: impl Fn() -> ProcessServiceBuilder<S>) -> ProcessClusterLaunch<S> {
        self.launch_numbered(n, |_| member())
    }

    /// Starts `n` members that may differ: `member` receives the number of the member, which is below
    /// `n`.
    ///
    /// # Errors
    ///
    /// As for [`launch`](Self::launch).
    pub fn launch_numbered(
        self,
        n: usize,
        member: impl Fn(usize) -> ProcessServiceBuilder<S>,
    ) -> ProcessClusterLaunch<S> {
        let Self { name, balance, .. } = self;
        let launch = |number: usize| {
            let builder = member(number).number(number);
            match &name {
                Some(name) => builder.renamed(format!("{name} {number}")).launch(),
                None => builder.launch(),
            }
        };
        ProcessClusterLaunch::new((0..n).map(launch).collect(), balance)
    }
}

impl<S: ProcessSet> fmt::Debug for ProcessClusterBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessClusterBuilder").field("name", &self.name).field("balance", &self.balance).finish()
    }
}
