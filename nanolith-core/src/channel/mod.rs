//! Channels between tasks and threads. A port is one of two connected ends. A stream has one writer
//! and one reader, with backpressure. A messenger broadcasts, and is found by name; beneath it is
//! the broadcast log.

pub(crate) mod broadcast;
pub mod messenger;
pub mod port;
pub mod stream;
