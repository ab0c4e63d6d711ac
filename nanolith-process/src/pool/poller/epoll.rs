//! [`Poller`]: waits by `epoll`.

use super::{Interest, Ready};
use rustix::{
    event::{
        EventfdFlags, Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
        eventfd,
    },
    fd::{AsFd, OwnedFd},
    io::Errno,
};
use std::{io, sync::Arc, time::Duration};

#[derive(Debug)]
pub(in crate::pool) struct Poller {
    epoll: OwnedFd,
    notify: OwnedFd,
}

/// The token of the notification.
const NOTIFY: u64 = u64::MAX;
/// The number of descriptors that one wait reports at most.
const BATCH: usize = 64;

impl Poller {
    pub(in crate::pool) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let notify = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &notify, EventData::new_u64(NOTIFY), EventFlags::IN)?;
        Ok(Self { epoll, notify })
    }

    pub(in crate::pool) fn add(&self, source: &Arc<impl AsFd>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(token), flags(interest))?)
    }

    pub(in crate::pool) fn modify(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, source, EventData::new_u64(token), flags(interest))?)
    }

    pub(in crate::pool) fn remove(&self, source: impl AsFd, _token: u64) {
        let _ = epoll::delete(&self.epoll, source); // it may be removed already
    }

    /// Ends the current or the next wait.
    pub(in crate::pool) fn notify(&self) {
        // A counter that is full ends the wait too.
        let _ = rustix::io::write(&self.notify, &1_u64.to_ne_bytes());
    }

    /// Waits for at most `limit`. Returns the descriptors that are ready.
    pub(in crate::pool) fn wait(&self, limit: Option<Duration>, ready: &mut Vec<Ready>) {
        ready.clear();
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut events = Vec::with_capacity(BATCH);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => unreachable!("epoll fails only for wrong arguments: {error}"),
        }
        for epoll::Event { flags, data } in events {
            match data.u64() {
                NOTIFY => {
                    let _ = rustix::io::read(&self.notify, &mut [0_u8; 8]);
                }
                token => ready.push(Ready {
                    token,
                    write: flags.contains(EventFlags::OUT),
                    read: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
                    end: flags.intersects(EventFlags::HUP | EventFlags::ERR),
                }),
            }
        }
    }
}

fn flags(interest: Interest) -> EventFlags {
    match interest {
        Interest::End => EventFlags::empty(),
        Interest::Read => EventFlags::IN,
        Interest::Write => EventFlags::OUT,
        Interest::ReadWrite => EventFlags::IN | EventFlags::OUT,
    }
}
