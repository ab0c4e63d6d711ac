//! Message handlers: functions of the program that the global pool runs for each message of a port,
//! a messenger or a service.

pub(super) mod messenger;
pub(super) mod port;
pub(super) mod subscription;
