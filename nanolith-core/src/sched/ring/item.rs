//! [`RingItem`]: an item of a ring, and the values that may stand for it.

use crate::util::prefetch::PrefetchTarget;
use std::convert::Infallible;

/// An item of a ring.
pub(crate) trait RingItem: PrefetchTarget {
    /// A value that may stand for an item; [`NoInline`] if there is none.
    type Inline;

    /// Creates the item that the value stands for. This must not panic.
    fn from_inline(value: Self::Inline) -> Self;
}

/// The type of the values that stand for items in a ring without such values.
pub(crate) type NoInline = Infallible;

/// What a consumer takes from a ring.
pub(crate) enum Taken<T: RingItem> {
    Item(T),
    Inline(T::Inline),
}

impl<T: RingItem> Taken<T> {
    /// Returns the item, which is created if a value stands for it.
    #[inline(always)]
    pub(crate) fn into_item(self) -> T {
        match self {
            Self::Item(item) => item,
            Self::Inline(value) => T::from_inline(value),
        }
    }
}
