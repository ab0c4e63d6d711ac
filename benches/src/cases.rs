//! The cases, each with its contenders; the first is the baseline. A contender runs once and gives its figure.

use nanolith::prelude::*;
use std::{
    collections::VecDeque,
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

/// One comparison.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) contenders: &'static [Contender],
}

/// A name, and what runs once and gives the figure.
pub(crate) type Contender = (&'static str, fn() -> f64);

/// Every case.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "T1",
        what: "tasks submitted one by one, 4,096 in flight, every result taken",
        unit: "tasks/ms",
        contenders: &[("rayon::spawn and a channel", t1_rayon), ("nanolith", t1_nanolith)],
    },
    Case {
        name: "T2",
        what: "submit and wait, one at a time",
        unit: "ns (median)",
        contenders: &[("rayon::spawn and a channel", t2_rayon), ("nanolith", t2_nanolith)],
    },
    Case {
        name: "S1",
        what: "call a service on its own thread and wait, one at a time",
        unit: "ns (median)",
        contenders: &[("a thread and two channels", s1_channels), ("nanolith", s1_nanolith)],
    },
];

const TASKS: u64 = 200_000;
const CALLS: usize = 20_000;
const IN_FLIGHT: usize = 4_096;

struct Numbers {
    total: u64,
}

#[define]
impl Numbers {
    /// Something that cannot be guessed from its argument's place.
    pub(crate) fn mix(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7)
    }

    /// Adds to the state.
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        self.total = self.total.wrapping_add(Self::mix(n));
        self.total
    }
}

fn rayon_pool() -> &'static rayon::ThreadPool {
    static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| rayon::ThreadPoolBuilder::new().build().expect("the system gives threads"))
}

/// Keeps `IN_FLIGHT` of what `submit` gives, and takes each by `take`. Gives tasks a millisecond.
fn pipelined<H>(mut submit: impl FnMut(u64) -> H, mut take: impl FnMut(H) -> u64) -> f64 {
    let mut window = VecDeque::with_capacity(IN_FLIGHT);
    let mut taken = 0;
    let mut check = |handle| {
        assert_eq!(take(handle), Numbers::mix(taken), "the result of task {taken}");
        taken += 1;
    };
    let began = Instant::now();
    for n in 0..TASKS {
        if window.len() == IN_FLIGHT {
            window.pop_front().into_iter().for_each(&mut check);
        }
        window.push_back(submit(n));
    }
    window.into_iter().for_each(check);
    TASKS as f64 / began.elapsed().as_secs_f64() / 1e3
}

fn spawn_on_rayon(n: u64) -> mpsc::Receiver<u64> {
    let (send, receive) = mpsc::sync_channel(1);
    rayon_pool().spawn(move || {
        // As nanolith does for every task: a panic is caught.
        if let Ok(value) = std::panic::catch_unwind(|| Numbers::mix(n)) {
            let _ = send.send(value);
        }
    });
    receive
}

fn t1_rayon() -> f64 {
    pipelined(spawn_on_rayon, |receive| receive.recv().expect("it was sent"))
}

fn t1_nanolith() -> f64 {
    let numbers = Numbers::tasks();
    pipelined(|n| numbers.mix(n).submit(), |job| job.wait().expect("it runs"))
}

/// The median time of a call, in nanoseconds.
fn one_by_one(mut call: impl FnMut(u64)) -> f64 {
    let mut times = Vec::with_capacity(CALLS);
    for n in 0..CALLS as u64 {
        let began = Instant::now();
        call(n);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times.get(CALLS / 2).map_or(f64::NAN, |time: &Duration| time.as_secs_f64() * 1e9)
}

fn t2_rayon() -> f64 {
    one_by_one(|n| assert_eq!(spawn_on_rayon(n).recv(), Ok(Numbers::mix(n))))
}

fn t2_nanolith() -> f64 {
    let numbers = Numbers::tasks();
    one_by_one(|n| assert_eq!(numbers.mix(n).wait().ok(), Some(Numbers::mix(n))))
}

fn s1_channels() -> f64 {
    let (send, receive) = mpsc::channel::<(u64, mpsc::SyncSender<u64>)>();
    let server = thread::spawn(move || {
        let mut state = Numbers { total: 0 };
        receive.into_iter().for_each(|(n, reply)| reply.send(state.add(n)).expect("the caller waits"));
    });
    let mut expected = Numbers { total: 0 };
    let time = one_by_one(|n| {
        let (reply, answer) = mpsc::sync_channel(1);
        send.send((n, reply)).expect("the server runs");
        assert_eq!(answer.recv(), Ok(expected.add(n)));
    });
    drop(send);
    server.join().expect("it ends");
    time
}

fn s1_nanolith() -> f64 {
    let service = Numbers::service(Numbers { total: 0 }).launch().wait().expect("it starts");
    let mut expected = Numbers { total: 0 };
    one_by_one(|n| assert_eq!(service.add(n).wait().ok(), Some(expected.add(n))))
}
