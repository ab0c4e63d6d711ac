//! [`spawn`]: starts a thread of user code within a simulation.

use crate::{
    context::wait::{self, Sealed, Wait},
    error::{Panic, Unwind},
    sim_runtime::{self, Failure, Scheduler},
    util::unwind,
    wake::EndWait,
};
use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

/// Starts a thread that runs `f`, like `std::thread::spawn`. Within a simulation, the thread
/// belongs to the simulation; elsewhere, it is a plain thread.
///
/// ```
/// use nanolith::{prelude::*, sim};
/// let sum = sim(42, || sim::spawn(|| 4 + 5).wait());
/// assert_eq!(sum.map_err(|panic| panic.message().to_owned()), Ok(9));
/// ```
///
/// # Panics
///
/// Panics if the system cannot start a thread. A panic of `f` goes to the waiter of the thread. If
/// there is no waiter, the simulation fails with that panic.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> SimJoinHandle<T> {
    unwind::install_hook();
    let (tell, answer) = flume::bounded(1);
    let end = sim_runtime::world().map(|world| EndWait::new(&world));
    let over = Arc::new(AtomicBool::new(false));
    let has_ended = over.clone();
    let run = move || {
        // The channel has room. If its receiver is gone, only the simulation gets a panic.
        if let Err(flume::SendError(Err(panic))) = tell.send(unwind::catch(f)) {
            unheard(panic);
        }
        // ORDERING: Release, pairs with the Acquire in `is_over`: the answer is there.
        has_ended.store(true, Ordering::Release);
    };
    start(sim_runtime::world(), run).unwrap_or_else(|error| panic!("failed to spawn a thread: {error}"));
    sim_runtime::switch_point();
    SimJoinHandle { answer: answer.into_recv_async(), over, has_answered: false, end }
}

/// Records the panic of a thread without a waiter.
fn unheard(panic: Panic) {
    // Waits after the grace period are rejected, and their threads may panic with that.
    if let Some(world) = sim_runtime::world().filter(|world| !panic.is::<Unwind>() && !world.is_past_grace()) {
        world.fail(Failure::Panicked(panic));
    }
}

fn start(world: Option<Arc<Scheduler>>, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new();
    let Some(world) = world else { return builder.spawn(run).map(drop) };
    let name = format!("thread-{}", world.next_spawned());
    let ticket = world.ticket(&name);
    let body = move || {
        let _leave = sim_runtime::Leave; // runs after everything else
        ticket.enter();
        sim_runtime::bounded(run);
    };
    builder.name(name).spawn(body).map(drop)
}

/// A thread started by [`spawn`]. If this value is dropped, the thread runs on by itself.
///
/// ```
/// use nanolith::{prelude::*, sim};
/// sim(42, || {
///     let thread = sim::spawn(|| 4 + 5);
///     assert_eq!(thread.wait().ok(), Some(9)); // or `.await`
/// });
/// ```
///
/// # Errors
///
/// Returns the thread's panic.
#[must_use = "dropped, the thread goes on alone: `wait` for it, or `detach` it"]
pub struct SimJoinHandle<T: 'static> {
    answer: flume::r#async::RecvFut<'static, Result<T, Panic>>,
    over: Arc<AtomicBool>,
    has_answered: bool,
    /// The wait for the end of its simulation.
    end: Option<EndWait>,
}

/// The message of the error for a thread that did not end with its simulation.
const GIVEN_UP: &str = "the thread did not end with its simulation";

impl<T> SimJoinHandle<T> {
    /// Returns whether the thread has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        sim_runtime::poll_point();
        // ORDERING: Acquire, pairs with the Release in `spawn`.
        self.over.load(Ordering::Acquire)
    }

    /// Lets the thread run on by itself.
    pub fn detach(self) {}
}

impl<T> Future for SimJoinHandle<T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |what: &'static str| Err(Panic::new(Box::new(what), None));
        let mut answer = Pin::new(&mut self.answer).poll(cx).map(Result::ok);
        if answer.is_pending() && self.end.as_mut().is_some_and(|end| end.poll_over(cx.waker()).is_ready()) {
            // The answer may have arrived since the first poll.
            let late = Pin::new(&mut self.answer).poll(cx).map(Result::ok);
            answer = Poll::Ready(if let Poll::Ready(answer) = late { answer } else { Some(lost(GIVEN_UP)) });
        }
        answer.map(|answer| {
            self.has_answered = true;
            answer.unwrap_or_else(|| lost("the thread was lost"))
        })
    }
}

impl<T> Sealed for SimJoinHandle<T> {}

impl<T> Wait for SimJoinHandle<T> {
    type Pending = Self;

    fn wait_timeout(self, limit: Duration) -> Result<Self::Output, Self> {
        wait::timeout(self, limit)
    }
}

impl<T> Drop for SimJoinHandle<T> {
    /// Fails the simulation with the thread's panic, if the panic was not received.
    fn drop(&mut self) {
        if !self.has_answered && self.over.load(Ordering::Acquire) {
            if let Poll::Ready(Ok(Err(panic))) =
                Pin::new(&mut self.answer).poll(&mut Context::from_waker(Waker::noop()))
            {
                unheard(panic);
            }
        }
    }
}

impl<T> fmt::Debug for SimJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimJoinHandle").field("is_over", &self.over).finish_non_exhaustive()
    }
}
