//! The pages whose code is tested like that of the documentation.

#[doc = include_str!("../README.md")]
mod readme {}

#[doc = include_str!("../docs/from-node.md")]
mod from_node {}

#[cfg(all(feature = "tokio", feature = "tower"))]
#[doc = include_str!("../docs/tokio.md")]
mod with_tokio {}

#[cfg(all(feature = "metrics-export", feature = "tracing"))]
#[doc = include_str!("../docs/observing.md")]
mod observing {}
