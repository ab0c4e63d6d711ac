//! [`InitArgs`]: the arguments of a service's `#[init]`, for each child that makes the state again.

use crate::{
    exit::MessageError,
    pool::StateSource,
    served::{self, ProcessSet},
    wire::{self, Kind, Launch},
};
use nanolith::__private::{Restarts, ServiceParts};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// The arguments of `#[init]`, and the policy of restarts.
pub(super) struct InitArgs<S: ProcessSet> {
    parts: ServiceParts<S, S::Error, S::Args>,
    restarts: Restarts,
}

impl<S: ProcessSet> InitArgs<S> {
    pub(super) fn new(parts: ServiceParts<S, S::Error, S::Args>) -> Self {
        Self { restarts: Restarts::new(parts.restart.clone()), parts }
    }
}

impl<S: ProcessSet> StateSource for InitArgs<S> {
    fn launch_frame(&mut self, max: usize) -> Result<Vec<u8>, MessageError> {
        let set = served::position::<S>().ok_or(MessageError::not_served(S::NAME))?;
        let mut frame = wire::start_frame();
        // The clone of the arguments, and the closure that returns them, are user code.
        let encoded = catch_unwind(AssertUnwindSafe(|| {
            let args =
                self.parts.next_args().ok_or_else(|| MessageError::encode("`#[init]` has no arguments left".into()))?;
            let name = self.parts.name.to_string();
            let launch = Launch { name, stack_size: self.parts.stack_size, slice: self.parts.slice(), args };
            wire::encode(&launch, &mut frame, max)
        }));
        encoded.unwrap_or_else(|_| Err(MessageError::encode("the arguments of `#[init]` panicked".into())))?;
        wire::finish_frame(&mut frame, Kind::LAUNCH, u64::from(set));
        Ok(frame)
    }

    fn next_restart(&mut self, now: Instant) -> Option<Duration> {
        self.restarts.next(now)
    }

    fn restarts_after_panic(&self) -> bool {
        self.parts.restart.after_panic()
    }

    fn launch_timeout(&self) -> Option<Duration> {
        self.parts.launch_timeout
    }
}
