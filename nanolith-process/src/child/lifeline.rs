//! The lifeline: a pipe on which one thread of the child blocks. Its end is the end of the parent,
//! and ends this process, whatever the task does. It also brings requests about calls.

use super::calls::Calls;
use crate::wire::{REQUEST_LEN, Request};
use rustix::process::{Signal, getpid, kill_process};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
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
                None => {}
            }
        }
        // Destructors and exit handlers may block, so none of them runs.
        let _ = kill_process(getpid(), Signal::KILL);
    };
    thread::Builder::new().name("nanolith-lifeline".into()).spawn(watch).map(drop)
}
