//! How a service comes by its state: once, or anew after each crash.

use crate::{
    context::block_on,
    task::{Context, LocalFuture, TaskSet},
};
use std::{convert::Infallible, future::poll_fn, task::Poll};

/// What `#[init]` may return: the state, or a `Result` of it.
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

/// Holds for what every `#[init]` returns.
#[doc(hidden)]
pub const fn init_output<S, T: InitOutput<S>>() {}

/// Makes the state out of the arguments of `#[init]`.
type MakeNow<S, E, A> = Box<dyn Fn(&Context<S>, A) -> Result<Option<S>, E> + Send>;
type MakeLater<S, E, A> = Box<dyn Fn(Context<S>, A) -> LocalFuture<Result<Option<S>, E>> + Send>;

pub(super) enum StateFactory<S: TaskSet, E, A> {
    Now(MakeNow<S, E, A>),
    Later(MakeLater<S, E, A>),
}

/// The arguments of `#[init]`, and how it makes the state of them.
pub(super) struct InitArgs<S: TaskSet, E, A> {
    pub(super) first: Option<A>,
    pub(super) next: Option<Next<A>>,
    pub(super) make: StateFactory<S, E, A>,
}

/// Gives the arguments for each further start.
pub(super) type Next<A> = Box<dyn FnMut() -> A + Send>;

/// What the builder hands to the service's thread. It may be handed over, which was seen to where it was made.
pub(super) trait Initializer<S: TaskSet, E, A>: Send {
    /// The arguments of the first start.
    fn args(&self) -> Option<&A>;

    fn set_args(&mut self, next: Next<A>);

    /// Makes the state, on the service's thread; `None` where it can be made only once, and was, or where it waited and was
    /// `given_up` meanwhile. Who gives it up wakes that thread.
    fn make(&mut self, cx: Context<S>, given_up: &dyn Fn() -> bool) -> Option<Result<Option<S>, E>>;
}

impl<S: TaskSet, E, A: Send> Initializer<S, E, A> for InitArgs<S, E, A> {
    fn args(&self) -> Option<&A> {
        self.first.as_ref()
    }

    fn set_args(&mut self, next: Next<A>) {
        self.next = Some(next);
    }

    fn make(&mut self, cx: Context<S>, given_up: &dyn Fn() -> bool) -> Option<Result<Option<S>, E>> {
        let args = match self.first.take() {
            Some(args) => args,
            None => self.next.as_mut()?(),
        };
        match &self.make {
            StateFactory::Now(make) => Some(make(&cx, args)),
            StateFactory::Later(make) => {
                let mut state = make(cx, args);
                let made = poll_fn(|cx| if given_up() { Poll::Ready(None) } else { state.as_mut().poll(cx).map(Some) });
                match block_on::block_on(made, None) {
                    Ok(state) => state,
                    Err(_) => unreachable!("a wait for nobody in particular cannot deadlock"),
                }
            }
        }
    }
}
