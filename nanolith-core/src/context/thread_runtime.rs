//! [`ThreadRuntime`]: the tokio runtime that the threads of an executor enter when they start.

/// The tokio runtime of an executor's threads, if the executor was built with one. Without the
/// feature `tokio` it is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadRuntime {
    #[cfg(feature = "tokio")]
    handle: Option<tokio::runtime::Handle>,
}

impl ThreadRuntime {
    #[cfg(feature = "tokio")]
    pub(crate) fn new(handle: tokio::runtime::Handle) -> Self {
        Self { handle: Some(handle) }
    }

    pub(crate) fn is_set(&self) -> bool {
        #[cfg(feature = "tokio")]
        let is_set = self.handle.is_some();
        #[cfg(not(feature = "tokio"))]
        let is_set = false;
        is_set
    }

    /// Runs `body` within the runtime. A thread passes all of its work in one `body`, so it enters
    /// the runtime once.
    #[inline]
    pub(crate) fn run<R>(&self, body: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tokio")]
        let _entered = self.handle.as_ref().map(tokio::runtime::Handle::enter);
        body()
    }
}
