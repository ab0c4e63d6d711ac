//! Threads of user code within a simulation.

use crate::{
    context::block_on,
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
};

/// Starts a thread that runs `f`, as `std::thread::spawn` does: within a simulation it is one of the simulation's, elsewhere a
/// plain one.
///
/// ```
/// use nanolith::sim;
/// let sum = sim(42, || sim::spawn(|| 4 + 5).wait());
/// assert_eq!(sum.map_err(|panic| panic.message().to_owned()), Ok(9));
/// ```
///
/// # Panics
///
/// Panics if the system gives no thread. A panic of `f` goes to whoever waits for the thread; where nobody does, a simulation fails
/// by it.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Spawned<T> {
    unwind::install_hook();
    let (tell, answer) = flume::bounded(1);
    let end = sim_runtime::world().map(|world| EndWait::new(&world));
    let over = Arc::new(AtomicBool::new(false));
    let has_ended = over.clone();
    let run = move || {
        // The channel is empty, and where nobody listens any more nobody hears of a panic but the simulation.
        if let Err(flume::SendError(Err(panic))) = tell.send(unwind::catch(f)) {
            unheard(panic);
        }
        // ORDERING: Release, pairs with the Acquire in `is_over`: the answer is there.
        has_ended.store(true, Ordering::Release);
    };
    start(sim_runtime::world(), run).unwrap_or_else(|error| panic!("failed to spawn a thread: {error}"));
    sim_runtime::switch_point();
    Spawned { answer: answer.into_recv_async(), over, has_answered: false, end }
}

/// Nobody waits for a thread that panicked.
fn unheard(panic: Panic) {
    // What waits past the grace is refused, and its threads may throw that.
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
        let _leave = sim_runtime::Leave; // after all else
        ticket.enter();
        sim_runtime::bounded(run);
    };
    builder.name(name).spawn(body).map(drop)
}

/// A thread that was started by [`spawn`]. Dropped, it goes on alone.
///
/// ```
/// use nanolith::sim;
/// sim(42, || {
///     let thread = sim::spawn(|| 4 + 5);
///     assert_eq!(thread.wait().ok(), Some(9)); // or `.await`
/// });
/// ```
#[must_use = "dropped, the thread goes on alone: `wait` for it, or `detach` it"]
pub struct Spawned<T: 'static> {
    answer: flume::r#async::RecvFut<'static, Result<T, Panic>>,
    over: Arc<AtomicBool>,
    has_answered: bool,
    /// The end of its simulation.
    end: Option<EndWait>,
}

/// What [`Spawned`] says of a thread that did not end with its simulation.
const GIVEN_UP: &str = "the thread did not end with its simulation";

impl<T> Spawned<T> {
    /// Blocks until the thread has ended.
    ///
    /// # Errors
    ///
    /// The thread's panic.
    pub fn wait(self) -> Result<T, Panic> {
        block_on::block_on_any(self)
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        sim_runtime::poll_point();
        // ORDERING: Acquire, pairs with the Release in `spawn`.
        self.over.load(Ordering::Acquire)
    }

    /// Lets the thread go on alone.
    pub fn detach(self) {}
}

impl<T> Future for Spawned<T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |what: &'static str| Err(Panic::new(Box::new(what), None));
        let mut answer = Pin::new(&mut self.answer).poll(cx).map(Result::ok);
        if answer.is_pending() && self.end.as_mut().is_some_and(|end| end.poll_over(cx.waker()).is_ready()) {
            // It may have answered since.
            let late = Pin::new(&mut self.answer).poll(cx).map(Result::ok);
            answer = Poll::Ready(if let Poll::Ready(answer) = late { answer } else { Some(lost(GIVEN_UP)) });
        }
        answer.map(|answer| {
            self.has_answered = true;
            answer.unwrap_or_else(|| lost("the thread was lost"))
        })
    }
}

impl<T> Drop for Spawned<T> {
    /// A panic that nobody has heard of is the simulation's.
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

impl<T> fmt::Debug for Spawned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").field("is_over", &self.over).finish_non_exhaustive()
    }
}
