//! The input of a pipeline: an iterator that a thread of its own pulls ([`pull`]), so that it may
//! block, or a stream polled on the global pool ([`Streaming`]).

use super::{
    channel::{Closed, Item, WakeTiming, Writer},
    driver::{Driver, PipelinePart},
    error::Cause,
};
use crate::{context::block_on, sim_runtime, time::clock, util::unwind};
use futures_util::Stream;
use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
};

/// Starts a thread that pulls the items of `input`. The thread ends when the input ends, or when
/// the queue is closed.
pub(super) fn pull<I>(run: Arc<Driver>, input: I, out: Writer<I::Item>) -> io::Result<()>
where
    I: Iterator + Send + 'static,
    I::Item: Send + 'static,
{
    const NAME: &str = "nanolith-input";
    let pull = move || {
        let mut input = input;
        if let Err(panic) = unwind::catch(|| pull_all(&mut input, &out)) {
            run.on_panic(&run.input, run.taken(), Cause::of_panic(panic));
        }
        unwind::ignore_panics(|| drop(input));
    };
    let clock = clock::source();
    let ticket = sim_runtime::world().map(|world| world.ticket(NAME));
    let body = move || {
        let _leave = sim_runtime::Leave; // runs after everything else
        ticket.into_iter().for_each(sim_runtime::Ticket::enter);
        clock::enter(clock).for_ever();
        sim_runtime::bounded(pull);
    };
    thread::Builder::new().name(NAME.into()).spawn(body).map(drop)
}

fn pull_all<I: Iterator>(input: &mut I, out: &Writer<I::Item>) {
    for item in (0..).zip(input) {
        let pushed = match out.try_push(item) {
            Ok(()) => Ok(()),
            Err(Err(gone)) => Err(gone),
            Err(Ok(item)) => push_when_there_is_room(out, item),
        };
        if pushed.is_err() {
            return;
        }
    }
}

#[cold]
fn push_when_there_is_room<T>(out: &Writer<T>, item: Item<T>) -> Result<(), Closed> {
    let mut item = VecDeque::from([item]);
    let pushed = block_on::block_on_any(poll_fn(|cx| out.poll_push(cx, &mut item, WakeTiming::Now)));
    unwind::ignore_panics(|| drop(item));
    pushed
}

/// The number of items after which a poll yields to other tasks of the pool.
const TURN: usize = 64;

/// An input that is a stream.
pub(super) struct Streaming<S: Stream> {
    stream: Pin<Box<S>>,
    out: Writer<S::Item>,
    /// The item that waits for room in the queue.
    next: VecDeque<Item<S::Item>>,
    index: u64,
    run: Arc<Driver>,
}

impl<S: Stream> Streaming<S> {
    pub(super) fn new(run: Arc<Driver>, stream: S, out: Writer<S::Item>) -> Self {
        Self { stream: Box::pin(stream), out, next: VecDeque::new(), index: 0, run }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        match unwind::catch(|| self.stream.as_mut().poll_next(cx)) {
            Ok(polled) => polled.map(|item| item.map(|item| self.next.push_back((self.index, item)))),
            Err(panic) => {
                self.run.on_panic(&self.run.input, self.index, Cause::of_panic(panic));
                Poll::Ready(None)
            }
        }
    }
}

impl<S> PipelinePart for Streaming<S>
where
    S: Stream + Send + 'static,
    S::Item: Send + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN {
            if !self.next.is_empty() {
                match self.out.poll_push(cx, &mut self.next, WakeTiming::Now) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(Closed)) => return Poll::Ready(()),
                    Poll::Ready(Ok(())) => self.index += 1,
                }
            }
            match self.poll_item(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(())) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
