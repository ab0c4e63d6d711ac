//! [`Poller`]: waits by `poll`, which each system has. A byte in a socket is the notification.

use super::{Interest, Ready};
use crate::sys::{self, ChildSocket, MAX_WAIT};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
    io::Errno,
};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

/// How long to wait after a `poll` that the system had no memory for.
const RETRY: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(in crate::pool) struct Poller {
    sources: Mutex<Sources>,
    notified: ChildSocket,
    notify: ChildSocket,
}

/// The descriptors by their tokens.
#[derive(Debug, Default)]
struct Sources {
    all: HashMap<u64, Source>,
    /// Whether a wait goes on, which knows the descriptors as they were at its start.
    is_waiting: bool,
}

/// A descriptor. It is not watched any more when its owner has closed it.
#[derive(Debug)]
struct Source {
    descriptor: Weak<dyn AsFd + Send + Sync>,
    interest: Interest,
}

/// A descriptor of one wait, which keeps it open.
struct Watched {
    token: u64,
    descriptor: Arc<dyn AsFd + Send + Sync>,
    flags: PollFlags,
}

impl Poller {
    pub(in crate::pool) fn new() -> io::Result<Self> {
        let (notified, notify) = sys::stream_pair()?;
        notified.set_nonblocking(true)?;
        notify.set_nonblocking(true)?;
        Ok(Self { sources: Mutex::default(), notified, notify })
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::pool) fn add<T: AsFd + Send + Sync + 'static>(
        &self,
        source: &Arc<T>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let descriptor: Weak<T> = Arc::downgrade(source);
        let mut sources = self.sources();
        sources.all.insert(token, Source { descriptor, interest });
        self.renew_wait(&sources);
        Ok(())
    }

    pub(in crate::pool) fn modify(&self, _: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut sources = self.sources();
        let source = sources.all.get_mut(&token).ok_or(io::ErrorKind::NotFound)?;
        source.interest = interest;
        if interest != Interest::End {
            self.renew_wait(&sources);
        }
        Ok(())
    }

    pub(in crate::pool) fn remove(&self, _: impl AsFd, token: u64) {
        self.sources().all.remove(&token); // it may be removed already
    }

    /// Ends a wait that does not know of a change. The wait that follows knows.
    fn renew_wait(&self, sources: &Sources) {
        if sources.is_waiting {
            self.notify();
        }
    }

    /// Ends the current or the next wait.
    pub(in crate::pool) fn notify(&self) {
        let _ = (&self.notify).write(&[1]); // a socket that is full ends the wait too
    }

    /// Waits for at most `limit`. Returns the descriptors that are ready.
    pub(in crate::pool) fn wait(&self, limit: Option<Duration>, ready: &mut Vec<Ready>) {
        ready.clear();
        let watched = self.start_wait();
        let mut descriptors = vec![PollFd::new(&self.notified, PollFlags::IN)];
        let watched_fds = watched.iter().map(|watched| (watched.descriptor.as_fd(), watched.flags));
        descriptors.extend(watched_fds.map(|(descriptor, flags)| PollFd::from_borrowed_fd(descriptor, flags)));
        let limit = limit.and_then(|limit| Timespec::try_from(limit.min(MAX_WAIT)).ok());
        let polled = poll(&mut descriptors, limit.as_ref());
        self.sources().is_waiting = false;
        match polled {
            Ok(_) => {}
            Err(Errno::INTR) => return,
            Err(_) => return thread::sleep(RETRY),
        }
        if !descriptors[0].revents().is_empty() {
            let _ = (&self.notified).read(&mut [0; 64]);
        }
        for (Watched { token, .. }, descriptor) in watched.iter().zip(&descriptors[1..]) {
            let flags = descriptor.revents();
            let (write, read) = (flags.contains(PollFlags::OUT), flags.intersects(!PollFlags::OUT));
            if read || write {
                let end = flags.intersects(PollFlags::HUP | PollFlags::ERR);
                ready.push(Ready { token: *token, write, read, end });
            }
        }
    }

    /// Returns the descriptors to wait for.
    fn start_wait(&self) -> Vec<Watched> {
        let mut sources = self.sources();
        sources.is_waiting = true;
        sources.all.retain(|_, source| source.descriptor.strong_count() > 0);
        let watched = sources.all.iter().filter_map(|(token, source)| {
            let flags = match source.interest {
                // macOS reports no end of a descriptor without another interest.
                Interest::End => return None,
                Interest::Read => PollFlags::IN,
                Interest::Write => PollFlags::OUT,
                Interest::ReadWrite => PollFlags::IN | PollFlags::OUT,
            };
            Some(Watched { token: *token, descriptor: source.descriptor.upgrade()?, flags })
        });
        watched.collect()
    }
}
