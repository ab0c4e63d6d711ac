//! Drives an [`AsyncPeer`], which is a library or hand-written code under comparison, from async
//! code: plain threads block on futures, or tasks of tokio's runtime await.

use crate::{
    drive::WARM_UP,
    measure::{Lap, Meter, Sample, Times},
    pace::Pace,
    peers::{AsyncPeer, AsyncService, AsyncTell, Start, Within},
    work::{check, check_elsewhere, check_total, check_value},
};
use std::{collections::VecDeque, future::Future, sync::Arc, thread, time::Instant};

/// Checks a result, and the thread that made it if the peer guarantees that.
type Check = fn(u64, u64);

/// Blocks plain threads on a future that keeps calls in flight. Returns tasks for each millisecond.
pub(crate) fn rate<P: AsyncPeer>(lap: &Lap, start: Start, least: u64) -> Sample {
    let peer = P::start(&start);
    let (sample, _) = measured_rate(lap, &peer, &start, least);
    peer.stop();
    sample
}

/// Measures the rate of a service, and checks its total afterwards.
pub(crate) fn service_rate<P: AsyncService>(lap: &Lap, start: Start, least: u64) -> Sample {
    let peer = P::start(&start);
    let (sample, counts) = measured_rate(lap, &peer, &start, least);
    check_total(&counts, peer.block_on(peer.total()));
    peer.stop();
    sample
}

fn measured_rate<P: AsyncPeer>(lap: &Lap, peer: &P, start: &Start, least: u64) -> (Sample, Vec<u64>) {
    let mut counts = vec![peer.block_on(pipelined(peer, Pace::exactly(WARM_UP), start.window(), check))];
    let meter = Meter::start(lap);
    let measured = crowd(peer, start, || lap.tasks(least / start.callers as u64));
    let sample = meter.rate(measured.iter().sum());
    counts.extend(measured);
    (sample, counts)
}

fn crowd<P: AsyncPeer>(peer: &P, start: &Start, pace: impl Fn() -> Pace + Sync) -> Vec<u64> {
    let caller = || peer.block_on(pipelined(peer, pace(), start.window(), check));
    if start.callers == 1 {
        return vec![caller()];
    }
    thread::scope(|scope| {
        let callers: Vec<_> = (0..start.callers).map(|_| scope.spawn(caller)).collect();
        callers.into_iter().map(|caller| caller.join().expect("it ends")).collect()
    })
}

/// Submits calls, and awaits the oldest result when the window is full.
async fn pipelined<P: AsyncPeer>(peer: &P, pace: Pace, window: usize, check: Check) -> u64 {
    let mut handles = VecDeque::with_capacity(window);
    let mut taken = 0;
    for n in pace {
        if handles.len() == window {
            taken = settle(peer, &mut handles, taken, check).await;
        }
        handles.push_back(peer.submit(n).await);
    }
    while !handles.is_empty() {
        taken = settle(peer, &mut handles, taken, check).await;
    }
    taken
}

/// Takes the oldest result. Returns the number of results taken by then.
async fn settle<P: AsyncPeer>(peer: &P, handles: &mut VecDeque<P::Handle>, taken: u64, check: Check) -> u64 {
    let Some(oldest) = handles.pop_front() else { return taken };
    check(taken, peer.take(oldest).await);
    taken + 1
}

/// Blocks a plain thread on each call, one at a time. Returns the median in nanoseconds.
pub(crate) fn latency<P: AsyncPeer>(lap: &Lap, start: Start) -> Sample {
    let peer = P::start(&start);
    let (sample, _) = measured_latency(lap, &peer);
    peer.stop();
    sample
}

/// Measures the latency of a service, and checks its total afterwards.
pub(crate) fn service_latency<P: AsyncService>(lap: &Lap, start: Start) -> Sample {
    let peer = P::start(&start);
    let (sample, counts) = measured_latency(lap, &peer);
    check_total(&counts, peer.block_on(peer.total()));
    peer.stop();
    sample
}

fn measured_latency<P: AsyncPeer>(lap: &Lap, peer: &P) -> (Sample, [u64; 2]) {
    Pace::exactly(WARM_UP).for_each(|n| check(n, peer.block_on(peer.ask(n))));
    let mut times = Times::new();
    let mut pace = lap.calls();
    let meter = Meter::start(lap);
    for n in pace.by_ref() {
        let began = Instant::now();
        let result = peer.block_on(peer.ask(n));
        times.push(began.elapsed());
        check(n, result);
    }
    (meter.latency(times), [WARM_UP, pace.given()])
}

/// Blocks a plain thread on each call, after a rest of length `rest`.
pub(crate) fn rested_latency<P: AsyncPeer>(lap: &Lap, start: Start, rest: std::time::Duration, calls: u64) -> Sample {
    let peer = P::start(&start);
    Pace::exactly(WARM_UP).for_each(|n| check(n, peer.block_on(peer.ask(n))));
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for n in Pace::exactly(calls) {
        thread::sleep(rest);
        let began = Instant::now();
        let result = peer.block_on(peer.ask(n));
        times.push(began.elapsed());
        check(n, result);
    }
    let sample = meter.latency(times);
    peer.stop();
    sample
}

/// Sends messages without an answer, then one with an answer. Returns messages for each
/// millisecond.
pub(crate) fn tells<P: AsyncTell>(lap: &Lap, start: Start, least: u64) -> Sample {
    let peer = P::start(&start);
    peer.block_on(send_all(&peer, Pace::exactly(WARM_UP)));
    let pace = lap.tasks(least);
    let meter = Meter::start(lap);
    let (count, total) = peer.block_on(send_all(&peer, pace));
    let sample = meter.rate(count);
    check_total(&[WARM_UP, count], total);
    check_elsewhere(total);
    peer.stop();
    sample
}

/// Returns the number of messages sent, and the total after them.
async fn send_all<P: AsyncTell>(peer: &P, mut pace: Pace) -> (u64, u64) {
    for n in pace.by_ref() {
        peer.note(n).await;
    }
    (pace.given(), peer.total().await)
}

/// Keeps calls in flight from a task of the peer's runtime.
pub(crate) fn rate_within<P: Within>(lap: &Lap, start: Start, least: u64) -> Sample {
    let (lap, check) = (*lap, check_of::<P>());
    within(start, move |peer: Arc<P>| async move {
        pipelined(&*peer, Pace::exactly(WARM_UP), start.window(), check).await;
        let meter = Meter::start(&lap);
        let count = pipelined(&*peer, lap.tasks(least), start.window(), check).await;
        meter.rate(count)
    })
}

/// Awaits one call at a time in a task of the peer's runtime.
pub(crate) fn latency_within<P: Within>(lap: &Lap, start: Start) -> Sample {
    let lap = *lap;
    within(start, move |peer: Arc<P>| async move { one_by_one(&*peer, &lap).await.0 })
}

/// Measures the latency of a service, and checks its total afterwards.
pub(crate) fn service_latency_within<P: Within + AsyncService>(lap: &Lap, start: Start) -> Sample {
    let lap = *lap;
    within(start, move |peer: Arc<P>| async move {
        let (sample, counts) = one_by_one(&*peer, &lap).await;
        check_total(&counts, peer.total().await);
        sample
    })
}

async fn one_by_one<P: Within>(peer: &P, lap: &Lap) -> (Sample, [u64; 2]) {
    let check = check_of::<P>();
    for n in Pace::exactly(WARM_UP) {
        check(n, peer.ask(n).await);
    }
    let mut times = Times::new();
    let mut pace = lap.calls();
    let meter = Meter::start(lap);
    for n in pace.by_ref() {
        let began = Instant::now();
        let result = peer.ask(n).await;
        times.push(began.elapsed());
        check(n, result);
    }
    (meter.latency(times), [WARM_UP, pace.given()])
}

/// Lets each caller be a task of the peer's runtime that awaits one call at a time. Returns calls
/// for each millisecond with the 99th percentile of a call, and checks the service's total
/// afterwards.
pub(crate) fn clients_within<P: Within + AsyncService>(lap: &Lap, start: Start, least: u64) -> Sample {
    let lap = *lap;
    within(start, move |peer: Arc<P>| async move {
        let warm_up = all_clients(&peer, &start, |_| Pace::exactly(WARM_UP / start.callers as u64)).await;
        let meter = Meter::start(&lap);
        let measured = all_clients(&peer, &start, |callers| lap.calls_of(least / callers)).await;
        let mut counts = warm_up.counts;
        let sample = meter.rate_with_p99(measured.counts.iter().sum(), measured.times);
        counts.extend(measured.counts);
        check_total(&counts, peer.total().await);
        sample
    })
}

/// The number of calls of each client, and the times of all.
struct Clients {
    counts: Vec<u64>,
    times: Times,
}

async fn all_clients<P: Within>(peer: &Arc<P>, start: &Start, pace: impl Fn(u64) -> Pace) -> Clients {
    let client = |_| peer.runtime().spawn(client(Arc::clone(peer), pace(start.callers as u64)));
    let clients: Vec<_> = (0..start.callers).map(client).collect();
    let mut all = Clients { counts: Vec::new(), times: Times::new() };
    for client in clients {
        let (count, times) = client.await.expect("the client ends");
        all.counts.push(count);
        all.times.extend(times);
    }
    all
}

async fn client<P: Within>(peer: Arc<P>, mut pace: Pace) -> (u64, Times) {
    let (check, mut times) = (check_of::<P>(), Times::of(1 << 14));
    for n in pace.by_ref() {
        let began = Instant::now();
        let result = peer.ask(n).await;
        times.push(began.elapsed());
        check(n, result);
    }
    (pace.given(), times)
}

/// Returns the check of results. A peer that runs in its callers' runtime may answer on its
/// caller's thread.
fn check_of<P: Within>() -> Check {
    if P::APART { check } else { check_value }
}

/// Starts a peer, runs the work in a task of its runtime, and stops the peer.
fn within<P: Within, F>(start: Start, work: impl FnOnce(Arc<P>) -> F) -> Sample
where
    F: Future<Output = Sample> + Send + 'static,
{
    let peer = Arc::new(P::start(&start));
    let task = peer.runtime().spawn(work(Arc::clone(&peer)));
    let sample = peer.block_on(task).expect("the task ends");
    Arc::into_inner(peer).expect("the task has let go of it").stop();
    sample
}
