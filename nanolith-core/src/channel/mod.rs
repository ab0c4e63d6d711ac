//! Channels: the broadcast log, ports, streams and messengers.

pub(crate) mod broadcast;
pub mod messenger;
pub mod port;
pub mod stream;
