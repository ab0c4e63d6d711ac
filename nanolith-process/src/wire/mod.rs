//! What passes between a parent and a child: frames, their encoding, and the messages in them.
//!
//! A frame has a head of 13 bytes and a body. The head is the length of the rest as a `u32`, the
//! kind as a byte, and the number of the call as a `u64`, in little-endian order. The body of a task,
//! an output or a message is MessagePack with named fields. With the feature `tracing`, the carrier of the
//! call's span may come before the task.

#[cfg(feature = "tracing")]
pub(crate) mod carrier;
mod codec;
mod frame;
#[cfg(test)]
mod frame_reader_tests;
mod message;
mod spin;

pub(crate) use codec::{decode, encode};
pub(crate) use frame::{Fill, Frame, FrameReader, HEAD, Waits, finish_frame, start_frame};
pub(crate) use message::{
    CALL_HEAD, CallHead, Failure, Hello, Kind, Launch, MAX_LISTENERS, REPORT_INTERVAL, REQUEST_LEN, Ready, Report,
    Request,
};
