//! Channels between tasks and threads: ports, streams, messengers, and the broadcast log beneath
//! messengers.

pub(crate) mod broadcast;
pub mod messenger;
pub mod port;
pub mod stream;
