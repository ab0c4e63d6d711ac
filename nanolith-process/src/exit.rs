//! The errors behind a [`CallError`](nanolith::CallError): a child that died, and a child that was
//! killed.

use crate::{
    exit_code::{ABORT, STACK_OVERFLOW, exception_name, signal_name},
    last_line::last_line,
    sys,
};
use std::{error::Error, fmt, process::ExitStatus, time::Duration};

/// Returns the first error of this type among an error and its sources.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// A child process that died while it had a call: the source of
/// [`CallError::Crashed`](nanolith::CallError::Crashed).
///
/// ```standalone_crate
/// use nanolith::prelude::*;
/// use nanolith_process::{ChildCrash, ProcessPool};
///
/// pub struct Native;
///
/// #[define(wire)]
/// impl Native {
///     pub fn exit(code: i32) { eprintln!("no licence"); std::process::exit(code) }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Native,)>();
///     let children = ProcessPool::builder().max_children(1).pass_stderr(false).build()?;
///     let error = Native::on(&children).exit(3).wait().unwrap_err();
///     assert!(matches!(error, CallError::Crashed(_)));
///     let crash = ChildCrash::of(&error).expect("a crash ended it");
///     assert_eq!((crash.code(), crash.signal(), crash.stderr()), (Some(3), None, "no licence\n"));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ChildCrash {
    pid: u32,
    code: Option<i32>,
    signal: Option<i32>,
    kind: CrashKind,
    stderr: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CrashKind {
    Exit,
    StackOverflow,
    /// The number of bytes is the `memory_limit`, if there is one.
    OutOfMemory(Option<u64>),
    /// The child sent what no child sends.
    Malformed(String),
    /// The child did not answer in time after its start.
    NotReady(Duration),
    /// The child cannot serve: for example another version of the program.
    Unfit(String),
    /// The system started no process.
    NotStarted(String),
    /// A task of the service that the child owned panicked, so the child was replaced.
    Panicked(String),
    /// The state of the service was not made.
    NotLaunched(String),
}

impl ChildCrash {
    /// Returns the crash behind an error: a `&CallError`, or another error that has it among its
    /// sources.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    pub(crate) fn exited(pid: u32, status: Option<ExitStatus>, stderr: String) -> Self {
        let (code, signal) = status.map_or((None, None), |status| (status.code(), sys::signal(status)));
        Self::ended(pid, code, signal, stderr)
    }

    fn ended(pid: u32, code: Option<i32>, signal: Option<i32>, stderr: String) -> Self {
        // The text is that of the standard library.
        let is_abort = signal == Some(6) || code == Some(ABORT);
        let kind = match code {
            Some(STACK_OVERFLOW) => CrashKind::StackOverflow,
            _ if is_abort && stderr.contains("has overflowed its stack") => CrashKind::StackOverflow,
            _ if is_abort && stderr.contains("memory allocation of ") => CrashKind::OutOfMemory(None),
            _ => CrashKind::Exit,
        };
        Self { pid, code, signal, kind, stderr }
    }

    pub(crate) fn not_started(error: &std::io::Error) -> Self {
        let kind = CrashKind::NotStarted(error.to_string());
        Self { pid: 0, code: None, signal: None, kind, stderr: String::new() }
    }

    /// Names the `memory_limit` of the child, if it ran out of memory.
    pub(crate) fn limited_to(mut self, bytes: Option<u64>) -> Self {
        if let CrashKind::OutOfMemory(limit) = &mut self.kind {
            *limit = bytes;
        }
        self
    }

    pub(crate) fn malformed(mut self, what: String) -> Self {
        self.kind = CrashKind::Malformed(what);
        self
    }

    pub(crate) fn not_ready(mut self, limit: Duration) -> Self {
        self.kind = CrashKind::NotReady(limit);
        self
    }

    pub(crate) fn unfit(mut self, why: String) -> Self {
        self.kind = CrashKind::Unfit(why);
        self
    }

    pub(crate) fn panicked(mut self, message: String) -> Self {
        self.kind = CrashKind::Panicked(message);
        self
    }

    pub(crate) fn not_launched(mut self, why: String) -> Self {
        self.kind = CrashKind::NotLaunched(why);
        self
    }

    /// Returns the id of the process, or 0 if none could be started.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the exit code, if the process exited by itself. On Windows it may be the number of an
    /// exception that ended the process, which is negative.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// Returns the signal that ended the process, if one did. Windows has none.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// Returns whether the stack of a thread overflowed.
    #[must_use]
    pub fn is_stack_overflow(&self) -> bool {
        self.kind == CrashKind::StackOverflow
    }

    /// Returns whether an allocation failed, for example because of
    /// [`memory_limit`](crate::ProcessPoolBuilder::memory_limit). A process that the system ended for
    /// want of memory has signal 9 instead.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.kind, CrashKind::OutOfMemory(_))
    }

    /// Returns the last lines that the process wrote to its standard error: at most 4 KiB.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.stderr
    }
}

impl fmt::Display for ChildCrash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let CrashKind::NotStarted(error) = &self.kind {
            return write!(f, "no child process could be started: {error}");
        }
        write!(f, "child process {} ", self.pid)?;
        match (&self.kind, self.signal, self.code) {
            (CrashKind::StackOverflow, ..) => f.write_str("overflowed its stack")?,
            (CrashKind::OutOfMemory(None), ..) => f.write_str("ran out of memory")?,
            (CrashKind::OutOfMemory(Some(limit)), ..) => {
                write!(f, "ran out of memory: its `memory_limit` is {limit} bytes")?;
            }
            (CrashKind::Malformed(what), ..) => write!(f, "sent a malformed message: {what}")?,
            (CrashKind::NotReady(limit), ..) => write!(f, "did not answer within {limit:?} after its start")?,
            (CrashKind::Unfit(why) | CrashKind::NotStarted(why), ..) => write!(f, "cannot serve: {why}")?,
            (CrashKind::Panicked(message), ..) => {
                write!(f, "was ended because a task of its service panicked: {message}")?;
            }
            (CrashKind::NotLaunched(why), ..) => write!(f, "made no state of its service: {why}")?,
            (CrashKind::Exit, Some(9), _) => {
                f.write_str("was killed from outside by signal 9 (SIGKILL): by a person, or by the system for memory")?;
            }
            (CrashKind::Exit, Some(signal), _) => write!(f, "was ended by signal {signal} ({})", signal_name(signal))?,
            (CrashKind::Exit, None, Some(code)) => match exception_name(code) {
                Some(name) => write!(f, "was ended by exception {code:#010X} ({name})")?,
                None => write!(f, "exited with code {code}")?,
            },
            (CrashKind::Exit, None, None) => f.write_str("ended")?,
        }
        match last_line(&self.stderr) {
            Some(line) => write!(f, "; it wrote: {line}"),
            None => Ok(()),
        }
    }
}

impl Error for ChildCrash {}

/// Why a child process was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KillReason {
    /// The call was cancelled, and its task did not stop.
    Cancelled,
    /// The time of the call was over, and its task did not stop.
    TimedOut,
    /// The task ran longer than the pool's
    /// [`task_timeout`](crate::ProcessPoolBuilder::task_timeout), and did not stop.
    TaskTimeout,
    /// The pool was [terminated](crate::ProcessPool::terminate).
    Terminated,
}

/// A child process that was killed to end its task: the source of
/// [`CallError::Killed`](nanolith::CallError::Killed).
///
/// ```standalone_crate
/// use nanolith::{prelude::*, time::MILLISECOND};
/// use nanolith_process::{Kill, KillReason, ProcessPool};
///
/// pub struct Native;
///
/// #[define(wire)]
/// impl Native {
///     pub fn spin() { loop { std::hint::spin_loop() } }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     nanolith_process::init().serve::<(Native,)>();
///     let children = ProcessPool::builder().max_children(1).grace(10 * MILLISECOND).build()?;
///     let error = Native::on(&children).spin().timeout(50 * MILLISECOND).wait().unwrap_err();
///     let kill = Kill::of(&error).expect("a kill ended it");
///     assert_eq!(kill.reason(), KillReason::TimedOut);
///     assert!(kill.after() >= 50 * MILLISECOND); // since the start of the task
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Kill {
    pid: u32,
    reason: KillReason,
    after: Duration,
}

impl Kill {
    /// Returns the kill behind an error: a `&CallError`, or another error that has it among its
    /// sources.
    #[must_use]
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        find(error)
    }

    pub(crate) fn new(pid: u32, reason: KillReason, after: Duration) -> Self {
        Self { pid, reason, after }
    }

    /// Returns the id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns why the process was killed.
    #[must_use]
    pub fn reason(&self) -> KillReason {
        self.reason
    }

    /// Returns how long after the start of the task the process was killed.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            KillReason::Cancelled => "the call was cancelled",
            KillReason::TimedOut => "the call timed out",
            KillReason::TaskTimeout => "the task ran longer than `task_timeout`",
            KillReason::Terminated => "the pool was terminated",
        };
        write!(f, "{why}; child process {} was killed {:?} after its task had started", self.pid, self.after)
    }
}

impl Error for Kill {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_of_windows_have_their_names() {
        let ended = |code: u32, stderr: &str| ChildCrash::ended(7, Some(code as i32), None, stderr.into());
        let overflow = ended(0xC000_00FD, "");
        assert!(overflow.is_stack_overflow() && overflow.code() == Some(STACK_OVERFLOW));
        assert!(ended(0xC000_0409, "memory allocation of 8 bytes failed").is_out_of_memory());
        let violation = ended(0xC000_0005, "memory allocation of 8 bytes failed").to_string();
        let start = "child process 7 was ended by exception 0xC0000005 (access violation); ";
        assert!(violation.starts_with(start), "{violation}");
        assert!(ended(3, "").to_string().ends_with("exited with code 3"));
    }

    #[test]
    fn crash_is_found_among_the_sources_of_an_error() {
        let crash = ChildCrash::ended(7, Some(3), None, String::new());
        let error = std::io::Error::other(crate::CloseError::Crashed(crash));
        assert_eq!(ChildCrash::of(&error).map(ChildCrash::code), Some(Some(3)));
        assert!(Kill::of(&error).is_none());
    }

    #[test]
    fn out_of_memory_names_the_limit() {
        let text = "memory allocation of 8 bytes failed\nnote: run with `RUST_BACKTRACE=1` to see it\n";
        let crash = ChildCrash::ended(7, None, Some(6), text.into()).limited_to(Some(64));
        let expected = "child process 7 ran out of memory: its `memory_limit` is 64 bytes; \
                        it wrote: memory allocation of 8 bytes failed";
        assert_eq!(crash.to_string(), expected);
        let crash = ChildCrash::ended(7, Some(3), None, String::new()).limited_to(Some(64));
        assert_eq!(crash.to_string(), "child process 7 exited with code 3");
    }
}
