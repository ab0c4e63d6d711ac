//! Which layers a job has been through. A layer that is refused by what it is put around gives its job back as it made it, and
//! knows it again by this when somebody brings it once more.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Tells layers apart, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerId(u64);

impl LayerId {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // ORDERING: Relaxed, the number means nothing but itself.
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// The layers that a job has been through: a list that jobs share.
#[derive(Debug)]
pub(crate) struct Visited {
    layer: LayerId,
    before: Option<Arc<Self>>,
}

impl Visited {
    /// `before`, and `layer`.
    pub(crate) fn with(before: Option<Arc<Self>>, layer: LayerId) -> Arc<Self> {
        Arc::new(Self { layer, before })
    }

    pub(crate) fn contains(&self, layer: LayerId) -> bool {
        std::iter::successors(Some(self), |passed| passed.before.as_deref()).any(|passed| passed.layer == layer)
    }
}
