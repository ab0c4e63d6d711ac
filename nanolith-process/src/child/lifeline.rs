//! The lifeline: a stream on which one thread of the child blocks. Its end is the end of the parent,
//! and ends this process, whatever the task does. It also brings requests about calls.

use super::{calls::Calls, retire};
use crate::{
    sys::{self, ChildLifeline},
    wire::{REQUEST_LEN, Request},
};
use std::{
    io::{self, Read},
    sync::Arc,
    thread,
};

/// Starts the thread that watches the lifeline.
pub(super) fn watch(mut lifeline: ChildLifeline, calls: Arc<Calls>) -> io::Result<()> {
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
        sys::die_with_parent()
    };
    thread::Builder::new().name("nanolith-lifeline".into()).spawn(watch).map(drop)
}
