//! The adapters of nanolith's pool for calls with options: each makes every call with one option.

use super::{
    Peer, Start,
    nanolith::OwnPool,
    nanolith_tasks::{Calls, Numbers},
};
use crate::work::Tiny;
use ::nanolith::{prelude::*, sync::CancelToken, time::SECOND};

/// Implements [`Peer`] for a pool whose calls are made by `$submit`, from the calls, a number and a
/// token.
macro_rules! option {
    ($name:ident, $submit:expr) => {
        pub(crate) struct $name {
            pool: OwnPool<Tiny>,
            token: CancelToken,
        }

        impl Peer for $name {
            type Handle = Handle<Numbers, u64>;

            fn start(start: &Start) -> Self {
                Self { pool: OwnPool::start(start), token: CancelToken::new() }
            }

            fn submit(&self, n: u64) -> Self::Handle {
                let submit: fn(&Calls<Pool>, u64, &CancelToken) -> Self::Handle = $submit;
                submit(self.pool.calls(), n, &self.token)
            }

            fn take(&self, handle: Self::Handle) -> u64 {
                handle.wait().expect("it runs")
            }

            fn stop(self) {
                self.pool.stop();
            }
        }
    };
}

option!(Timed, |calls, n, _| calls.mix(n).timeout(SECOND).submit());
option!(Tokened, |calls, n, token| calls.mix(n).cancel_token(token).submit());
option!(Prioritized, |calls, n, _| calls.mix(n).priority(Priority::UserBlocking).submit());
option!(Asynchronous, |calls, n, _| calls.mix_async(n).submit());
option!(Yielding, |calls, n, _| calls.mix_yielding(n).submit());
