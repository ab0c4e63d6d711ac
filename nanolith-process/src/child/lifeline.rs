//! The lifeline: a pipe on which one thread of the child blocks. Its end is the end of the parent,
//! and ends this process, whatever the task does. It also brings requests about calls.

use super::{calls::Calls, retire};
use crate::wire::{REQUEST_LEN, Request};
use rustix::process::{Signal, getpid, kill_process, kill_process_group};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    process,
    sync::Arc,
    thread,
};

/// Starts the thread that watches the lifeline.
pub(super) fn watch(lifeline: OwnedFd, calls: Arc<Calls>) -> io::Result<()> {
    let mut lifeline = File::from(lifeline);
    let watch = move || {
        let mut request = [0; REQUEST_LEN];
        while lifeline.read_exact(&mut request).is_ok() {
            match Request::from_bytes(request) {
                Some(Request::Stop(call)) => calls.stop(call),
                Some(Request::Revoke(last)) => calls.revoke(last),
                Some(Request::Retire) => retire::retire(),
                None => {}
            }
        }
        die_with_parent()
    };
    thread::Builder::new().name("nanolith-lifeline".into()).spawn(watch).map(drop)
}

/// Ends this process, because its parent has ended. The processes that its tasks have started die
/// too, unless they left the group that this process leads.
pub(super) fn die_with_parent() -> ! {
    let _ = kill_process_group(getpid(), Signal::KILL);
    let _ = kill_process(getpid(), Signal::KILL); // in case a task has changed the group
    // Destructors and exit handlers may block, so none of them runs.
    process::abort()
}
