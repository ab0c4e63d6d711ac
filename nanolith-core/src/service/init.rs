//! [`Initializer`]: makes the state of a service by the set's `#[init]`, at the launch and again at
//! each restart.

use super::ServiceBuilder;
use crate::{
    context::block_on,
    error::Panic,
    task::{Context, LocalFuture, TaskSet},
    util::unwind,
};
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    task::Poll,
};

/// The return type of `#[init]`: the state, or a `Result` of it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`#[init]` cannot return `{Self}`",
    label = "this return type",
    note = "`#[init]` makes the state: it returns `Self`, or `Result<Self, E>`"
)]
#[allow(missing_docs, clippy::missing_errors_doc)] // hidden: for generated code
pub trait InitOutput<S> {
    type Error: Send + 'static;
    fn into_result(self) -> Result<S, Self::Error>;
}

impl<S: TaskSet> InitOutput<S> for S {
    type Error = Infallible;

    fn into_result(self) -> Result<S, Infallible> {
        Ok(self)
    }
}

impl InitOutput<()> for () {
    type Error = Infallible;

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<S, E: Send + 'static> InitOutput<S> for Result<S, E> {
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Asserts at compile time that `T` is a valid return type of `#[init]`.
#[doc(hidden)]
pub const fn init_output<S, T: InitOutput<S>>() {}

impl<S: TaskSet, E: Send + 'static, A: 'static> ServiceBuilder<S, E, A> {
    /// Creates the builder of a set whose `#[init]` is synchronous, for generated code.
    #[doc(hidden)]
    pub fn init(args: A, make: impl Fn(&Context<S>, A) -> Result<S, E> + Send + 'static) -> Self
    where
        A: Send,
    {
        Self::from_factory(args, StateFactory::Now(Box::new(move |cx, args| make(cx, args).map(Some))))
    }

    /// Creates the builder of a set whose `#[init]` is asynchronous, for generated code.
    #[doc(hidden)]
    pub fn init_async<F: Future<Output = Result<S, E>> + 'static>(
        args: A,
        make: impl Fn(Context<S>, A) -> F + Send + 'static,
    ) -> Self
    where
        A: Send,
    {
        let make = move |cx, args| {
            let state = make(cx, args);
            Box::pin(async move { state.await.map(Some) }) as _
        };
        Self::from_factory(args, StateFactory::Later(Box::new(make)))
    }

    /// Creates the builder of a set without state whose `#[init]` is synchronous, for generated
    /// code.
    #[doc(hidden)]
    pub fn init_stateless(args: A, make: impl Fn(&Context<S>, A) -> Result<(), E> + Send + 'static) -> Self
    where
        A: Send,
    {
        Self::from_factory(args, StateFactory::Now(Box::new(move |cx, args| make(cx, args).map(|()| None))))
    }

    /// Creates the builder of a set without state whose `#[init]` is asynchronous, for generated
    /// code.
    #[doc(hidden)]
    pub fn init_stateless_async<F: Future<Output = Result<(), E>> + 'static>(
        args: A,
        make: impl Fn(Context<S>, A) -> F + Send + 'static,
    ) -> Self
    where
        A: Send,
    {
        let make = move |cx, args| {
            let state = make(cx, args);
            Box::pin(async move { state.await.map(|()| None) }) as _
        };
        Self::from_factory(args, StateFactory::Later(Box::new(make)))
    }

    fn from_factory(args: A, make: StateFactory<S, E, A>) -> Self
    where
        A: Send,
    {
        Self::new(Box::new(InitArgs { first: Some(args), next: None, make }))
    }
}

impl<S: TaskSet + Send> ServiceBuilder<S, Infallible, S> {
    /// Creates the builder of a set without `#[init]`, from the state.
    pub(super) fn from_state(state: S) -> Self {
        Self::from_factory(state, StateFactory::Now(Box::new(|_, state| Ok(Some(state)))))
    }
}

impl<S: TaskSet> ServiceBuilder<S, Infallible, ()> {
    /// Creates the builder of a set without state and without `#[init]`, for generated code.
    #[doc(hidden)]
    pub fn stateless() -> Self {
        Self::from_factory((), StateFactory::Now(Box::new(|_, ()| Ok(None))))
    }
}

/// A closure that returns the arguments for each restart.
pub(super) type Next<A> = Box<dyn FnMut() -> A + Send>;

/// The part of the builder that moves to the service's thread. It is `Send`, because the
/// constructors of the builder require `Send` arguments.
pub(super) trait Initializer<S: TaskSet, E, A>: Send {
    /// Returns the arguments of the first start.
    fn args(&self) -> Option<&A>;

    fn set_args(&mut self, next: Next<A>);

    /// Takes the arguments of the next start. Returns `None` if they were used up.
    fn take_args(&mut self) -> Option<A>;

    /// Begins to make the state. Returns `None` if the arguments were used up by an earlier start.
    fn begin(&mut self, cx: Context<S>) -> Option<Begun<S, E>>;
}

/// Makes the state. Returns `None` if the arguments were used up by an earlier start, or if
/// `given_up` became true while this waited. The caller that sets `given_up` wakes the service's
/// loop. On a thread of its own, the service blocks the thread meanwhile.
///
/// # Errors
///
/// The panic of `#[init]`.
pub(super) async fn make_state<S: TaskSet, E, A>(
    init: &mut dyn Initializer<S, E, A>,
    cx: Context<S>,
    is_on_pool: bool,
    given_up: &dyn Fn() -> bool,
) -> Result<Option<Result<Option<S>, E>>, Panic> {
    let mut state = match unwind::catch(|| init.begin(cx))? {
        None => return Ok(None),
        Some(Begun::Made(state)) => return Ok(Some(state)),
        Some(Begun::Pending(state)) => state,
    };
    let made = poll_fn(|cx| {
        if given_up() {
            return Poll::Ready(Ok(None));
        }
        match unwind::catch(|| state.as_mut().poll(cx)) {
            Ok(poll) => poll.map(|state| Ok(Some(state))),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    if is_on_pool {
        return made.await;
    }
    match block_on::block_on(made, None) {
        Ok(made) => made,
        Err(_) => unreachable!("a wait without a target cannot deadlock"),
    }
}

/// A start of the state.
pub(super) enum Begun<S, E> {
    Made(Result<Option<S>, E>),
    Pending(LocalFuture<Result<Option<S>, E>>),
}

/// A closure that makes the state from the arguments of `#[init]`.
type MakeNow<S, E, A> = Box<dyn Fn(&Context<S>, A) -> Result<Option<S>, E> + Send>;
type MakeLater<S, E, A> = Box<dyn Fn(Context<S>, A) -> LocalFuture<Result<Option<S>, E>> + Send>;

enum StateFactory<S: TaskSet, E, A> {
    Now(MakeNow<S, E, A>),
    Later(MakeLater<S, E, A>),
}

/// The arguments of `#[init]`, and the closure that makes the state from them.
struct InitArgs<S: TaskSet, E, A> {
    first: Option<A>,
    next: Option<Next<A>>,
    make: StateFactory<S, E, A>,
}

impl<S: TaskSet, E, A: Send> Initializer<S, E, A> for InitArgs<S, E, A> {
    fn args(&self) -> Option<&A> {
        self.first.as_ref()
    }

    fn set_args(&mut self, next: Next<A>) {
        self.next = Some(next);
    }

    fn take_args(&mut self) -> Option<A> {
        match self.first.take() {
            Some(args) => Some(args),
            None => Some(self.next.as_mut()?()),
        }
    }

    fn begin(&mut self, cx: Context<S>) -> Option<Begun<S, E>> {
        let args = self.take_args()?;
        Some(match &self.make {
            StateFactory::Now(make) => Begun::Made(make(&cx, args)),
            StateFactory::Later(make) => Begun::Pending(make(cx, args)),
        })
    }
}
