//! [`OnPanic`]: what a service does after a task or a hook panicked, by its exception handler or
//! its restart policy.

use super::{event_loop::EventLoop, events::Crash};
use crate::{
    error::CallError,
    task::{PanicSource, TaskSet},
    util::unwind,
};
use std::mem;

/// The action of a service after a panic of one of its tasks. The caller of that task receives
/// [`CallError::Panicked`] in each case.
///
/// After a panic in a `&mut self` task the state may be partly changed. Continue only if that is
/// harmless.
///
/// ```
/// use nanolith::{prelude::*, service::OnPanic};
/// # pub struct Counter { total: i64 }
/// # #[define] impl Counter {
/// #     #[init] fn start(first: i64) -> Self { Self { total: first } }
/// #     pub fn bump(&mut self, by: i64) { self.total = self.total.checked_add(by).expect("the sum fits") }
/// # }
/// let counter = Counter::service(i64::MAX).on_panic(|_| OnPanic::Close).launch().wait()?;
/// assert!(matches!(counter.bump(1).wait(), Err(CallError::Panicked(..))));
/// counter.control().closed().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnPanic {
    /// The service continues with the state as it is.
    #[default]
    Continue,
    /// The service crashes, and its restart policy decides what follows: see
    /// [`Restart`](super::Restart). Without a policy the service ends, and its calls end as
    /// [`CallError::Crashed`].
    Restart,
    /// The service closes. The accepted calls still run, on the state as the panic left it.
    Close,
}

/// A user's handler that decides how the service continues after a panic.
pub(super) type PanicHandler = Box<dyn FnMut(&CallError) -> OnPanic + Send>;

impl<S: TaskSet, E: Send + 'static, A> EventLoop<S, E, A> {
    /// Passes panics to the exception handler, which decides how the service continues.
    #[inline]
    pub(super) fn handle_panics(&mut self) {
        if !self.ground.panics.borrow().is_empty() {
            self.report_panics();
        }
    }

    #[cold]
    fn report_panics(&mut self) {
        let panics = mem::take(&mut *self.ground.panics.borrow_mut());
        for (whose, error) in panics {
            match self.panic_action(whose, &error) {
                OnPanic::Continue => {}
                OnPanic::Restart => {
                    self.crashed(match whose {
                        PanicSource::Task => Crash::Task(error),
                        PanicSource::Hook => Crash::Hook(error),
                    });
                }
                OnPanic::Close => self.inner.begin_close(),
            }
        }
    }

    /// Returns how the service continues: by the exception handler if there is one, and by the
    /// restart policy otherwise.
    fn panic_action(&mut self, whose: PanicSource, error: &CallError) -> OnPanic {
        let policy = self.restarts.policy();
        match &mut self.on_panic {
            Some(on_panic) => unwind::catch(|| on_panic(error)).unwrap_or(OnPanic::Close),
            None if policy.after_panic() || (whose == PanicSource::Hook && policy.after_crash()) => OnPanic::Restart,
            None => OnPanic::Continue,
        }
    }
}
