//! [`InitArgs`]: the arguments of a service's `#[init]`, for each child that makes the state again.

use crate::{
    message_error::MessageError,
    pool::StateSource,
    served::{self, ProcessSet},
    wire::{self, Kind, Launch},
};
use nanolith::__private::ServiceParts;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The arguments of `#[init]`.
pub(super) struct InitArgs<S: ProcessSet>(pub(super) ServiceParts<S, S::Error, S::Args>);

impl<S: ProcessSet> StateSource for InitArgs<S> {
    fn launch_frame(&mut self, max: usize) -> Result<Vec<u8>, MessageError> {
        let set = served::position::<S>().ok_or(MessageError::not_served(S::NAME))?;
        let mut frame = wire::start_frame();
        // The clone of the arguments, and the closure that returns them, are user code.
        let encoded = catch_unwind(AssertUnwindSafe(|| {
            let args =
                self.0.next_args().ok_or_else(|| MessageError::encode("`#[init]` has no arguments left".into()))?;
            let name = self.0.name.to_string();
            let launch = Launch { name, stack_size: self.0.stack_size, slice: self.0.slice(), args };
            wire::encode(&launch, &mut frame, max)
        }));
        encoded.unwrap_or_else(|_| Err(MessageError::encode("the arguments of `#[init]` panicked".into())))?;
        wire::finish_frame(&mut frame, Kind::LAUNCH, u64::from(set));
        Ok(frame)
    }
}
