//! Processes by their ids, on each system: whether one is there, and its end from outside.
#![allow(dead_code, unused_imports, reason = "not each test uses each function")]

#[cfg(unix)]
pub(crate) use unix::{is_process, kill};
#[cfg(windows)]
pub(crate) use windows::{is_process, kill, with_environment};

use std::{
    thread,
    time::{Duration, Instant},
};

/// What the error of a call says of a process that was killed from outside.
pub(crate) const KILLED: &str = if cfg!(unix) { "SIGKILL" } else { "exited with code 1" };

/// The signal of a process that was killed from outside. Windows has none.
pub(crate) const KILL_SIGNAL: Option<i32> = if cfg!(unix) { Some(9) } else { None };

/// The exit code and the signal of a process that aborted. On Windows it is the code of an exception.
pub(crate) const ABORTED: (Option<i32>, Option<i32>) =
    if cfg!(unix) { (None, Some(6)) } else { (Some(0xC000_0409_u32 as i32), None) };

/// Waits until the process is gone.
pub(crate) fn wait_for_end(pid: u32) {
    let start = Instant::now();
    while is_process(pid) {
        assert!(start.elapsed() < Duration::from_secs(10), "process {pid} is still there");
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(unix)]
mod unix {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    fn id(pid: u32) -> Pid {
        i32::try_from(pid).ok().and_then(Pid::from_raw).expect("it is an id")
    }

    /// Returns whether there is such a process. A zombie is one.
    pub(crate) fn is_process(pid: u32) -> bool {
        test_kill_process(id(pid)).is_ok()
    }

    /// Kills a process, which may be gone.
    pub(crate) fn kill(pid: u32) {
        let _ = kill_process(id(pid), Signal::KILL);
    }
}

#[cfg(windows)]
mod windows {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

    fn look_at<T>(pid: u32, look: impl FnOnce(&sysinfo::Process) -> T) -> Option<T> {
        let (mut system, pid) = (System::new(), Pid::from_u32(pid));
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
        system.process(pid).map(look)
    }

    /// Returns whether there is such a process.
    pub(crate) fn is_process(pid: u32) -> bool {
        look_at(pid, |_| ()).is_some()
    }

    /// Kills a process, which may be gone.
    pub(crate) fn kill(pid: u32) {
        look_at(pid, sysinfo::Process::kill);
    }

    /// Returns the processes with such an environment.
    pub(crate) fn with_environment(is_it: impl Fn(&[&str]) -> bool) -> Vec<u32> {
        let mut system = System::new();
        let what = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let found = system.processes().iter().filter(|(_, process)| {
            let variables: Vec<_> = process.environ().iter().filter_map(|variable| variable.to_str()).collect();
            is_it(&variables)
        });
        found.map(|(pid, _)| pid.as_u32()).collect()
    }
}
