//! Drives a [`Peer`], which is a library or hand-written code under comparison, from plain threads:
//! with many calls in flight, or with one call at a time.

use crate::{
    measure::{Lap, Meter, Sample, Times},
    pace::Pace,
    peers::{Peer, Service, Start, Tell},
    work::{check, check_elsewhere, check_total},
};
use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

/// The calls before the measured section.
pub(crate) const WARM_UP: u64 = 8_192;

/// Keeps the number of calls in flight that `start` sets. Returns tasks for each millisecond.
pub(crate) fn rate<P: Peer>(lap: &Lap, start: Start, least: u64) -> Sample {
    let peer = P::start(&start);
    let (sample, _) = measured_rate(lap, &peer, &start, least);
    peer.stop();
    sample
}

/// Measures the rate of a service, and checks its total afterwards.
pub(crate) fn service_rate<P: Service>(lap: &Lap, start: Start, least: u64) -> Sample {
    let peer = P::start(&start);
    let (sample, counts) = measured_rate(lap, &peer, &start, least);
    check_total(&counts, peer.total());
    peer.stop();
    sample
}

/// Measures a rate. Also returns the length of each series of calls.
fn measured_rate<P: Peer>(lap: &Lap, peer: &P, start: &Start, least: u64) -> (Sample, Vec<u64>) {
    peer.enter(0);
    let mut counts = vec![pipelined(peer, Pace::exactly(WARM_UP), start.window())];
    let meter = Meter::start(lap);
    let measured = crowd(peer, start, || lap.tasks(least / start.callers as u64));
    let sample = meter.rate(measured.iter().sum());
    counts.extend(measured);
    (sample, counts)
}

/// Lets each caller run its series.
fn crowd<P: Peer>(peer: &P, start: &Start, pace: impl Fn() -> Pace + Sync) -> Vec<u64> {
    let caller = &|number| {
        peer.enter(number);
        pipelined(peer, pace(), start.window())
    };
    if start.callers == 1 {
        return vec![caller(0)];
    }
    thread::scope(|scope| {
        let callers: Vec<_> = (0..start.callers).map(|number| scope.spawn(move || caller(number))).collect();
        callers.into_iter().map(|caller| caller.join().expect("it ends")).collect()
    })
}

/// Submits calls, and takes the oldest result when the window is full.
fn pipelined<P: Peer>(peer: &P, mut pace: Pace, window: usize) -> u64 {
    let mut handles = VecDeque::with_capacity(window);
    let mut taken = 0;
    let mut settle = |handle: Option<P::Handle>| {
        if let Some(handle) = handle {
            check(taken, peer.take(handle));
            taken += 1;
        }
    };
    for n in pace.by_ref() {
        if handles.len() == window {
            settle(handles.pop_front());
        }
        handles.push_back(peer.submit(n));
    }
    handles.into_iter().for_each(|handle| settle(Some(handle)));
    pace.given()
}

/// Makes one call at a time. Returns the median in nanoseconds.
pub(crate) fn latency<P: Peer>(lap: &Lap, start: Start) -> Sample {
    let peer = P::start(&start);
    let (sample, _) = measured_latency(lap, &peer);
    peer.stop();
    sample
}

/// Measures the latency of a service, and checks its total afterwards.
pub(crate) fn service_latency<P: Service>(lap: &Lap, start: Start) -> Sample {
    let peer = P::start(&start);
    let (sample, counts) = measured_latency(lap, &peer);
    check_total(&counts, peer.total());
    peer.stop();
    sample
}

fn measured_latency<P: Peer>(lap: &Lap, peer: &P) -> (Sample, [u64; 2]) {
    Pace::exactly(WARM_UP).for_each(|n| check(n, peer.ask(n)));
    let mut times = Times::new();
    let mut pace = lap.calls();
    let meter = Meter::start(lap);
    pace.by_ref().for_each(|n| timed(peer, n, &mut times));
    (meter.latency(times), [WARM_UP, pace.given()])
}

fn timed<P: Peer>(peer: &P, n: u64, times: &mut Times) {
    let began = Instant::now();
    let result = peer.ask(n);
    times.push(began.elapsed());
    check(n, result);
}

/// Makes one call at a time, each after a rest of length `rest`.
pub(crate) fn rested_latency<P: Peer>(lap: &Lap, start: Start, rest: Duration, calls: u64) -> Sample {
    let peer = P::start(&start);
    Pace::exactly(WARM_UP).for_each(|n| check(n, peer.ask(n)));
    let mut times = Times::new();
    let meter = Meter::start(lap);
    for n in Pace::exactly(calls) {
        thread::sleep(rest);
        timed(&peer, n, &mut times);
    }
    let sample = meter.latency(times);
    peer.stop();
    sample
}

/// Sends messages without an answer, then one with an answer. Returns messages for each
/// millisecond.
pub(crate) fn tells<P: Tell>(lap: &Lap, start: Start, least: u64) -> Sample {
    let peer = P::start(&start);
    Pace::exactly(WARM_UP).for_each(|n| peer.note(n));
    peer.total();
    let mut pace = lap.tasks(least);
    let meter = Meter::start(lap);
    pace.by_ref().for_each(|n| peer.note(n));
    let total = peer.total();
    let sample = meter.rate(pace.given());
    check_total(&[WARM_UP, pace.given()], total);
    check_elsewhere(total);
    peer.stop();
    sample
}
