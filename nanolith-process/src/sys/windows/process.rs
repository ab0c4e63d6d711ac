//! [`Process`]: a child process and the job object that it is in.
//!
//! The job holds the processes that the child starts, too. The parent alone has a handle of it. When the
//! handle is closed, at the latest by the end of the parent, the system ends all of them.

use rustix::fd::OwnedFd;
use std::{
    io,
    os::windows::io::AsRawHandle,
    process::{self, ExitStatus},
};
use win32job::{ExtendedLimitInfo, Job};

/// A child process. Its drop kills it.
pub(crate) struct Process {
    child: process::Child,
    /// `None` once it is killed.
    job: Option<Job>,
    /// Whether a look has found that it has ended.
    was_dead: bool,
}

impl Process {
    /// Puts a process into a job. It runs no task before that.
    pub(super) fn new(child: process::Child) -> io::Result<Self> {
        let mut process = Self { child, job: None, was_dead: false };
        let mut limits = ExtendedLimitInfo::new();
        limits.limit_kill_on_job_close();
        let job = Job::create_with_limit_info(&limits)?;
        match job.assign_process(process.child.as_raw_handle() as isize) {
            Err(_) if matches!(process.child.try_wait(), Ok(Some(_))) => {} // it has ended already
            assigned => assigned?,
        }
        process.job = Some(job);
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, and those that it started.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended
        self.job = None;
    }

    /// Returns whether the process has ended. The second look says so, since the last bytes of a process
    /// may arrive after its end.
    pub(crate) fn has_ended(&mut self) -> bool {
        let is_dead = matches!(self.child.try_wait(), Ok(Some(_)));
        std::mem::replace(&mut self.was_dead, is_dead)
    }

    /// Kills what is left of the process and of those that it started, and returns how the process ended.
    /// One that had begun to exit keeps its status.
    pub(crate) fn reap(mut self) -> Option<ExitStatus> {
        self.kill();
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// Returns the signal that ended a process: there are none.
pub(crate) fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// Returns a descriptor that becomes readable when the process has ended. `poll` takes sockets alone.
pub(crate) fn exit_descriptor(_: u32) -> Option<OwnedFd> {
    None
}

/// Returns the resident memory of a process in bytes: it is not known.
pub(crate) fn resident_memory(_: u32) -> Option<u64> {
    None
}

/// Ends this process, because its parent has ended. Its job ends it too, and the processes that its tasks
/// have started.
pub(crate) fn die_with_parent() -> ! {
    process::abort()
}
