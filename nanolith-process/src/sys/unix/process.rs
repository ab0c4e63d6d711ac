//! [`Process`]: a child process and the group that it leads.

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group, waitid},
};
use std::{
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::{self, ExitStatus},
};

/// A child process that is not reaped, so its id names no other process and no other group. Its drop
/// kills it.
pub(crate) struct Process {
    child: process::Child,
    is_reaped: bool,
}

impl Process {
    /// Takes a process that leads its group.
    pub(crate) fn new(child: process::Child) -> Self {
        Self { child, is_reaped: false }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, and those that it started and that stayed in its group.
    pub(crate) fn kill(&mut self) {
        if let Some(pid) = pid(self.id()) {
            let _ = kill_process_group(pid, Signal::KILL); // all of it may be zombies
        }
    }

    /// Returns whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        let Some(pid) = pid(self.id()) else { return false };
        // `try_wait` would reap it, and its id would not be that of its group any more.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            // macOS may report a process that is stopped.
            Ok(status) => status.is_some_and(|status| status.exited() || status.killed() || status.dumped()),
            Err(error) => error == Errno::CHILD, // the program ignores `SIGCHLD`
        }
    }

    /// Kills what is left of the process and of its group, and returns how the process ended. One that
    /// had begun to exit keeps its status.
    pub(crate) fn reap(mut self) -> Option<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> Option<ExitStatus> {
        if self.is_reaped {
            return None;
        }
        self.kill();
        self.is_reaped = true;
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn pid(process: u32) -> Option<Pid> {
    i32::try_from(process).ok().and_then(Pid::from_raw)
}

/// Returns the signal that ended a process, if one did.
pub(crate) fn signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Returns a descriptor that becomes readable when the process has ended.
#[cfg(all(target_os = "linux", not(nanolith_poll)))]
pub(crate) fn exit_descriptor(process: u32) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid(process)?, rustix::process::PidfdFlags::empty()).ok() // since Linux 5.3
}

#[cfg(not(all(target_os = "linux", not(nanolith_poll))))]
pub(crate) fn exit_descriptor(_: u32) -> Option<OwnedFd> {
    None
}

/// Returns the resident memory of a process in bytes.
pub(crate) fn resident_memory(process: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

/// Ends this process, because its parent has ended. The processes that its tasks have started die
/// too, unless they left the group that this process leads.
pub(crate) fn die_with_parent() -> ! {
    let _ = kill_process_group(getpid(), Signal::KILL);
    let _ = kill_process(getpid(), Signal::KILL); // in case a task has changed the group
    // Destructors and exit handlers may block, so none of them runs.
    process::abort()
}
