//! A rate limit: a [token bucket](https://en.wikipedia.org/wiki/Token_bucket) around an executor.

use super::layered::{EnterResult, Entering, LayerPolicy, LayerStack, Transparent, layer};
use crate::util::checked::at_least_one;
use crate::{
    error::SubmitError,
    executor::Executor,
    task::{Job, TaskSet},
    time::{
        Sleep, clock, sleep,
        timer::{self, TimerAction},
    },
    wake::{AfterUnlock, Deferred, NewWaker, WaitQueue, WaitState, WaitTicket},
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A layer that limits the number of calls per time. Other calls wait their turn, first come first
/// served, or are rejected.
///
/// It is a token bucket. Tokens arrive at an even rate, and up to [burst](RateLimit::burst) tokens
/// are stored. A call takes one token, and returns it if the inner executor refuses the call.
///
/// ```
/// use nanolith::{
///     TaskSet, layers::{Layer, RateLimit}, prelude::*, time::{MILLISECOND, SECOND},
/// };
/// # use nanolith_doc_sets::*;
/// let limit = RateLimit::new(100, SECOND).burst(10);
/// let geometry = Geometry::calls(limit.layer(Pool::builder().build()?));
/// let begun = std::time::Instant::now();
/// for n in 0..12 {
///     geometry.add(n, n).wait()?; // ten at once, then one every 10 ms
/// }
/// assert!(begun.elapsed() >= 20 * MILLISECOND - MILLISECOND);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A waiting call that is cancelled, or times out, leaves the line. A call whose deadline comes
/// before its turn is rejected at once. Clones share the bucket.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put around an executor"]
pub struct RateLimit {
    bucket: Arc<Bucket>,
}

struct Bucket {
    /// The time from one token to the next. Times in this type are nanoseconds multiplied by
    /// `calls`, so that no rate is rounded.
    interval: u128,
    calls: u32,
    per: Duration,
    burst: u32,
    most_waiting: usize,
    state: Deferred<State>,
}

#[derive(Default)]
struct State {
    /// The time at which the bucket is full again.
    full_at: u128,
    line: WaitQueue,
    /// The timer that fires when there is a token for the first waiter.
    alarm: Option<timer::Key>,
}

impl RateLimit {
    /// Creates a limit of `calls` per `per`, at an even rate. `calls` is at least 1. The burst
    /// is `calls`, and any number of calls may wait.
    ///
    /// With `Duration::ZERO` there is no limit. If the next token would come beyond the end of the
    /// clock, as with `Duration::MAX`, only the burst goes through.
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[track_caller]
    pub fn new(calls: u32, per: Duration) -> Self {
        let calls = at_least_one("calls", calls);
        Self::with(calls, per, calls, usize::MAX)
    }

    /// Sets the number of tokens that are stored, which may be used at once after a pause; at least
    /// 1. With 1, calls go through at even intervals.
    ///
    /// This returns a new layer with a full bucket, so set it before the layer is cloned.
    ///
    /// ```
    /// # use nanolith::{layers::RateLimit, prelude::*, time::SECOND};
    /// let even = RateLimit::new(100, SECOND).burst(1); // one every 10 ms
    /// ```
    ///
    /// # Panics
    ///
    /// If `tokens` is 0.
    #[track_caller]
    pub fn burst(self, tokens: u32) -> Self {
        Self::with(self.bucket.calls, self.bucket.per, at_least_one("burst", tokens), self.bucket.most_waiting)
    }

    /// Sets the maximum number of calls that wait. Further calls are rejected. With 0 no call
    /// waits.
    ///
    /// This returns a new layer with a full bucket, so set it before the layer is cloned.
    ///
    /// ```
    /// # use nanolith::{layers::RateLimit, prelude::*, time::SECOND};
    /// let strict = RateLimit::new(100, SECOND).max_waiting(0);
    /// ```
    pub fn max_waiting(self, calls: usize) -> Self {
        Self::with(self.bucket.calls, self.bucket.per, self.bucket.burst, calls)
    }

    fn with(calls: u32, per: Duration, burst: u32, most_waiting: usize) -> Self {
        let state = Deferred::default();
        Self { bucket: Arc::new(Bucket { interval: per.as_nanos(), calls, per, burst, most_waiting, state }) }
    }

    /// Returns the number of tokens that are available now.
    #[must_use]
    pub fn available(&self) -> u32 {
        let now = clock::now();
        self.bucket.state.with(|state, _| self.bucket.tokens(state, now))
    }

    /// Returns the number of calls that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.bucket.state.with(|state, _| state.line.waiting())
    }
}

impl Bucket {
    /// Returns the time that an empty bucket needs to fill: less than 2¹²⁶, even if both factors
    /// have their largest value.
    fn depth(&self) -> u128 {
        self.interval * u128::from(self.burst)
    }

    /// Converts a moment in nanoseconds to the unit of this type.
    fn at(&self, now: u64) -> u128 {
        u128::from(now) * u128::from(self.calls)
    }

    fn tokens(&self, state: &State, now: u64) -> u32 {
        let missing = state.full_at.saturating_sub(self.at(now)).div_ceil(self.interval.max(1));
        self.burst.saturating_sub(u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// Returns the moment, in nanoseconds, at which there is a token for a call with `before` calls
    /// ahead of it.
    fn due(&self, state: &State, before: usize, now: u64) -> u64 {
        let before = self.interval.saturating_mul(before as u128);
        let emptied = (state.full_at.max(self.at(now)) + self.interval).saturating_sub(self.depth());
        u64::try_from(emptied.saturating_add(before).div_ceil(self.calls.into())).unwrap_or(u64::MAX)
    }

    fn spend(&self, state: &mut State, now: u64) {
        state.full_at = state.full_at.max(self.at(now)) + self.interval;
    }

    /// Takes a token, if one is available and no call waits for it.
    fn take(self: &Arc<Self>) -> Option<Token> {
        let now = clock::now();
        let is_taken = self.state.with(|state, _| {
            let has_token = !state.line.has_waiting() && self.due(state, 0, now) <= now;
            if has_token {
                self.spend(state, now);
            }
            has_token
        });
        is_taken.then(|| Token(Some(self.clone())))
    }

    /// Changes the state under the lock, and grants tokens to waiting calls. A granted token is
    /// spent.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut State, &mut AfterUnlock)) {
        let now = clock::now();
        let before = self.state.with(|state, after| {
            change(state, after);
            while state.line.has_waiting() && self.due(state, 0, now) <= now {
                self.spend(state, now);
                state.line.grant_first(1, after);
            }
            self.set_alarm(state, now)
        });
        before.into_iter().for_each(timer::disarm);
    }

    /// Arms a timer for the moment when there is a token for the first waiter. Returns the timer
    /// from before, which is no longer needed.
    fn set_alarm(self: &Arc<Self>, state: &mut State, now: u64) -> Option<timer::Key> {
        let before = state.alarm.take();
        if state.line.has_waiting() {
            let wait = clock::elapsed(now, self.due(state, 0, now));
            if let Some(due) = clock::after(wait) {
                let bucket = Arc::downgrade(self);
                let ring = move || bucket.upgrade().iter().for_each(|bucket| bucket.change(|_, _| ()));
                state.alarm = Some(timer::arm(due, TimerAction::Run(Box::new(ring))));
            }
        }
        before
    }

    /// Refuses the job because there is no token. The job may wait for a token, unless too many
    /// calls wait.
    fn refuse<S: TaskSet>(&self, job: Job<S>) -> SubmitError<Job<S>> {
        if self.state.with(|state, _| state.line.waiting()) >= self.most_waiting {
            return reject(job);
        }
        let error = job.full();
        SubmitError::new(job, error)
    }
}

fn reject<S: TaskSet>(job: Job<S>) -> SubmitError<Job<S>> {
    let error = job.rejected("RateLimit");
    SubmitError::new(job, error)
}

/// A token that is returned to the bucket when it is dropped.
pub struct Token(Option<Arc<Bucket>>);

impl Token {
    fn spent(mut self) {
        self.0 = None;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(bucket) = self.0.take() {
            bucket.change(|state, _| state.full_at = state.full_at.saturating_sub(bucket.interval));
        }
    }
}

layer!(RateLimit);
impl Transparent for RateLimit {}

impl<S: TaskSet> LayerPolicy<S> for RateLimit {
    type Reservation = Token;

    fn enter<E: Executor<S> + 'static>(around: &Arc<LayerStack<Self, E>>, job: Job<S>) -> EnterResult<S, Token> {
        let bucket = &around.layer.bucket;
        match bucket.take() {
            Some(token) => EnterResult::Forward(job, token),
            None => EnterResult::Refused(bucket.refuse(job)),
        }
    }

    fn admit<'a, E>(around: &'a Arc<LayerStack<Self, E>>, job: Job<S>) -> Entering<'a, S, Token>
    where
        E: Executor<S> + 'static,
    {
        let bucket = &around.layer.bucket;
        Box::pin(async move {
            let left = job.deadline().map(|deadline| deadline.saturating_duration_since(clock::instant()));
            match (Waiting { bucket, left, ticket: None, end: sleep(Duration::MAX) }).await {
                Some(token) => EnterResult::Forward(job, token),
                None => EnterResult::Refused(reject(job)),
            }
        })
    }

    fn taken(token: Token) {
        token.spent();
    }

    /// Returns the job unchanged. Its token is already back in the bucket.
    fn refused<E>(
        _: &Arc<LayerStack<Self, E>>,
        refused: SubmitError<Job<S>>,
        _for_good: bool,
    ) -> Result<(), SubmitError<Job<S>>>
    where
        E: Executor<S> + 'static,
    {
        Err(refused)
    }
}

/// A future that waits for a token. Its output is `None` if too many calls wait, or if the token
/// would come too late.
struct Waiting<'a> {
    bucket: &'a Arc<Bucket>,
    /// The time that was left before the deadline when the wait began.
    left: Option<Duration>,
    ticket: Option<WaitTicket>,
    /// A sleep that ends with the clock's simulation. No token comes after that.
    end: Sleep,
}

impl Waiting<'_> {
    /// Joins the line, if the line is short enough and the token comes in time.
    fn join(&mut self, waker: &Waker) -> bool {
        let (bucket, mut ticket) = (self.bucket, None);
        let (now, mut waker) = (clock::now(), NewWaker::of(waker));
        bucket.change(|state, _| {
            let waiting = state.line.waiting();
            let wait = clock::elapsed(now, bucket.due(state, waiting, now));
            if waiting < bucket.most_waiting && self.left.is_none_or(|left| wait < left) {
                ticket = Some(state.line.join((), &mut waker));
            }
        });
        self.ticket = ticket;
        ticket.is_some()
    }
}

impl Future for Waiting<'_> {
    type Output = Option<Token>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Token>> {
        if self.ticket.is_none() {
            if let Some(token) = self.bucket.take() {
                return Poll::Ready(Some(token));
            }
            if !self.join(cx.waker()) {
                return Poll::Ready(None);
            }
        }
        let Some(ticket) = self.ticket else { return Poll::Ready(None) };
        let mut waker = NewWaker::of(cx.waker());
        if self.bucket.state.with(|state, _| state.line.redeem(ticket, &mut waker)) != WaitState::Granted(()) {
            return Pin::new(&mut self.end).poll(cx).map(|()| Some(Token(None)));
        }
        self.ticket = None;
        Poll::Ready(Some(Token(Some(self.bucket.clone()))))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let interval = self.bucket.interval;
        self.bucket.change(|state, after| {
            if let (_, Some(())) = state.line.leave(ticket, after) {
                state.full_at = state.full_at.saturating_sub(interval);
            }
        });
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("calls", &self.bucket.calls)
            .field("per", &self.bucket.per)
            .field("burst", &self.bucket.burst)
            .field("available", &self.available())
            .field("waiting", &self.waiting())
            .finish()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
