//! The kinds of frames, and the messages in them.

use super::Frame;
use nanolith::wire::RemoteError;
use serde::{Deserialize, Serialize};
use std::{fmt, io, time::Duration};

/// The kinds of frames.
pub(crate) struct Kind;

impl Kind {
    /// The parent's first frame: [`Hello`]. The lifeline and the listening sockets come with it.
    pub(crate) const HELLO: u8 = 1;
    /// A call: [`CallHead`] and the task.
    pub(crate) const CALL: u8 = 2;
    /// The child's first frame: [`Ready`].
    pub(crate) const READY: u8 = 3;
    /// The output of a call.
    pub(crate) const OUTPUT: u8 = 4;
    /// A call that ended without an output: [`Failure`].
    pub(crate) const FAILED: u8 = 5;
    /// The child will not begin its calls from this one on, up to the last that was sent before the
    /// request to give them back.
    pub(crate) const REVOKED: u8 = 6;
    /// The parent's last frame, which is empty: the child ends in order. A socket that closes without
    /// it is the end of the parent.
    pub(crate) const END: u8 = 7;
    /// The parent's second frame, to a child that owns a service: [`Launch`]. The number is the
    /// position of the set. The child answers when the state is made, with [`LAUNCHED`](Self::LAUNCHED)
    /// or [`FAILED`](Self::FAILED).
    pub(crate) const LAUNCH: u8 = 8;
    /// The service of the child has its state.
    pub(crate) const LAUNCHED: u8 = 9;
    /// How far the task of the running call has come: [`Report`].
    pub(crate) const PROGRESS: u8 = 10;
    /// The child uses the listening sockets that came with the parent's first frame. It is empty, and
    /// sent once.
    pub(crate) const LISTENING: u8 = 11;
    /// An event of the child's service.
    pub(crate) const EVENT: u8 = 12;
    /// A message of the parent: [`CallHead`] and the message. It is answered as a call.
    pub(crate) const MESSAGE: u8 = 13;
}

/// What a child learns before it serves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// The number in the child's environment, so that the child knows its parent.
    pub(crate) nonce: u64,
    /// The largest frame, in bytes.
    pub(crate) max_message: usize,
    /// The limit of the child's data segment, in bytes.
    pub(crate) memory: Option<u64>,
    /// The limit of the child's processor time, in seconds.
    pub(crate) cpu_seconds: Option<u64>,
    /// What is added to the child's nice value.
    pub(crate) nice: Option<i32>,
    /// The number of listening sockets that come with this message.
    pub(crate) listeners: usize,
    /// Whether a read that waits spins before it sleeps.
    pub(crate) spins: bool,
}

impl Hello {
    /// Returns what the first frame of a parent says, if it repeats the number.
    pub(crate) fn from_frame(frame: &Frame, nonce: u64) -> io::Result<Self> {
        let hello: Self = super::decode(frame.body()).map_err(io::Error::other)?;
        if frame.kind == Kind::HELLO && hello.nonce == nonce {
            Ok(hello)
        } else {
            Err(io::Error::other("the process on the socket is not the parent"))
        }
    }
}

/// The number of listening sockets that a pool has at most.
pub(crate) const MAX_LISTENERS: usize = 16;

/// What a child can run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The identifier and the fingerprint of each served set, in their order.
    pub(crate) sets: Vec<(String, u64)>,
}

/// The service that a child owns, and `A`, the arguments of its `#[init]`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Launch<A> {
    pub(crate) name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) slice: Duration,
    pub(crate) args: A,
}

/// Why a call, or the start of a service, ended without an output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    Panicked {
        message: String,
        place: Option<(String, u32)>,
    },
    /// The task noticed that it was asked to stop, and its call ended.
    Stopped,
    Hook(String),
    /// The arguments could not be decoded, or the output could not be encoded.
    Message(String),
    /// `#[init]` returned an error.
    Init(RemoteError),
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked { message, .. } => write!(f, "a panic: {message}"),
            Self::Stopped => f.write_str("it was asked to stop"),
            Self::Init(error) => error.fmt(f),
            Self::Hook(text) | Self::Message(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

/// The least time between two reports of a child. The last report of a call comes before its
/// answer, whatever the time.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_millis(10);

/// The length of a [`Report`].
pub(crate) const REPORT_LEN: usize = 16;

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) done: u64,
    pub(crate) total: u64,
}

impl Report {
    pub(crate) fn to_bytes(self) -> [u8; REPORT_LEN] {
        let mut bytes = [0; REPORT_LEN];
        bytes[..8].copy_from_slice(&self.done.to_le_bytes());
        bytes[8..].copy_from_slice(&self.total.to_le_bytes());
        bytes
    }

    /// Returns the report in the body of a frame.
    pub(crate) fn from_bytes(body: &[u8]) -> Option<Self> {
        let bytes: [u8; REPORT_LEN] = body.try_into().ok()?;
        let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        Some(Self { done: number(bytes.first_chunk()?), total: number(bytes.last_chunk()?) })
    }
}

/// The length of a [`CallHead`].
pub(crate) const CALL_HEAD: usize = 10;

/// What comes before the task in the body of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallHead {
    /// The position of the set among those that are served.
    pub(crate) set: u16,
    /// How long the call may still take. In bytes, zero stands for `None`.
    pub(crate) left: Option<Duration>,
}

impl CallHead {
    pub(crate) fn to_bytes(self) -> [u8; CALL_HEAD] {
        let mut bytes = [0; CALL_HEAD];
        bytes[..2].copy_from_slice(&self.set.to_le_bytes());
        let nanos = self.left.map_or(0, |left| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX).max(1));
        bytes[2..].copy_from_slice(&nanos.to_le_bytes());
        bytes
    }

    /// Splits the body of a call into its head and the task.
    pub(crate) fn split(body: &[u8]) -> Option<(Self, &[u8])> {
        let (head, task) = body.split_first_chunk::<CALL_HEAD>()?;
        let set = u16::from_le_bytes(*head.first_chunk()?);
        let nanos = u64::from_le_bytes(*head.last_chunk()?);
        Some((Self { set, left: (nanos > 0).then(|| Duration::from_nanos(nanos)) }, task))
    }
}

/// The length of a [`Request`].
pub(crate) const REQUEST_LEN: usize = 9;

/// A request that goes through the lifeline, so that a child that runs a task reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The task of this call is to stop. A call that has not begun ends at its start.
    Stop(u64),
    /// The calls up to this one that have not begun are to be given back: see [`Kind::REVOKED`].
    Revoke(u64),
    /// The child ends after the calls that it has.
    Retire,
}

impl Request {
    pub(crate) fn to_bytes(self) -> [u8; REQUEST_LEN] {
        let (kind, call) = match self {
            Self::Stop(call) => (1, call),
            Self::Revoke(call) => (2, call),
            Self::Retire => (3, 0),
        };
        let mut bytes = [kind; REQUEST_LEN];
        bytes[1..].copy_from_slice(&call.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; REQUEST_LEN]) -> Option<Self> {
        let [kind, call @ ..] = bytes;
        let call = u64::from_le_bytes(call);
        match kind {
            1 => Some(Self::Stop(call)),
            2 => Some(Self::Revoke(call)),
            3 => Some(Self::Retire),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_of_call_survives() {
        for left in [None, Some(Duration::from_nanos(1)), Some(Duration::from_secs(1_000_000))] {
            let head = CallHead { set: 300, left };
            let mut body = head.to_bytes().to_vec();
            body.push(9);
            assert_eq!(CallHead::split(&body), Some((head, &[9][..])));
        }
        assert_eq!(CallHead::split(&[0; CALL_HEAD - 1]), None);
    }

    #[test]
    fn reports_survive() {
        let report = Report { done: 7, total: u64::MAX };
        assert_eq!(Report::from_bytes(&report.to_bytes()), Some(report));
        assert_eq!(Report::from_bytes(&[0; REPORT_LEN - 1]), None);
        assert_eq!(Report::from_bytes(&[0; REPORT_LEN + 1]), None);
    }

    #[test]
    fn requests_survive() {
        for request in [Request::Stop(7), Request::Revoke(u64::MAX), Request::Retire] {
            assert_eq!(Request::from_bytes(request.to_bytes()), Some(request));
        }
        assert_eq!(Request::from_bytes([0; REQUEST_LEN]), None);
    }
}
