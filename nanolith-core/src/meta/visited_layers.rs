//! [`Visited`]: the layers (executors around an executor) that a job, which is a call on its way,
//! has passed.
//!
//! If the inner executor rejects a job, the layer gives the job back in its original form. When the
//! job is submitted again, the layer recognizes the job by its number here.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number that identifies a layer. No number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerId(u64);

impl LayerId {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number publishes nothing but itself.
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The layers that a job has passed: a list that jobs share.
#[derive(Debug)]
pub(crate) struct Visited {
    layer: LayerId,
    before: Option<Arc<Self>>,
}

impl Visited {
    /// Returns the list of `before` and `layer`.
    pub(crate) fn with(before: Option<Arc<Self>>, layer: LayerId) -> Arc<Self> {
        Arc::new(Self { layer, before })
    }

    pub(crate) fn contains(&self, layer: LayerId) -> bool {
        std::iter::successors(Some(self), |passed| passed.before.as_deref()).any(|passed| passed.layer == layer)
    }
}
