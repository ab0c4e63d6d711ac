//! Case axum: the latency of a cheap endpoint of a web server while clients keep its heavy endpoint
//! busy, by the way in which the server runs the heavy computations.

use crate::{
    case::{Case, Contender, Unit},
    goals::{Bound, Figure, Goal},
    http::Connection,
    measure::{Lap, Meter, Sample, Times},
    peers::{
        cores,
        heavy::{Blocking, Heavy, Inline, KameoThreads, LimitedBlocking, NanolithPool, RayonOneshot},
    },
    work::{check_value, mix, stamped, turns_a_microsecond},
};
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use std::{
    net::SocketAddr,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot};

/// The connections for heavy requests, for each core. Each sends its next request at once.
const HEAVY_CLIENTS: usize = 4;

/// The connections for cheap requests. Each rests between two requests.
const CHEAP_CLIENTS: usize = 2;
const REST: Duration = Duration::from_micros(500);

/// The requests of each client before the measured section.
const WARM_UP: u64 = 20;

/// The least duration of a lap, and the laps in the measured section: heavy requests take
/// milliseconds.
const SHORTEST: Duration = Duration::from_millis(50);
const LAPS: u32 = 8;

pub(crate) const AXUM: Case = Case {
    name: "axum",
    what: "a cheap endpoint of a server while clients keep one of about 1 ms busy; CPU time a heavy request",
    unit: Unit::RequestNanos,
    contenders: &[
        Contender::new("inline", requests::<Inline>),
        Contender::new("tokio spawn_blocking", requests::<Blocking>),
        Contender::new("tokio spawn_blocking, semaphore", requests::<LimitedBlocking>),
        Contender::new("rayon + oneshot", requests::<RayonOneshot>),
        Contender::new("kameo, own threads", requests::<KameoThreads>),
        Contender::new("nanolith", requests::<NanolithPool>),
    ],
    goals: &[
        Goal { figure: Figure::P99, ..Goal::ratio(&["rayon + oneshot"], Bound::AtMost(0.8)) },
        Goal { figure: Figure::Second, ..Goal::ahead(&["rayon + oneshot"]) },
        Goal { figure: Figure::Second, ..Goal::ahead(&["rayon + oneshot"]) }.on_one_core(),
    ],
    only_named: false,
};

async fn cheap(Path(n): Path<u64>) -> String {
    stamped(mix(n)).to_string()
}

async fn heavy<H: Heavy>(State(heavy): State<H>, Path(n): Path<u64>) -> String {
    heavy.compute(n).await.to_string()
}

/// Starts a server on a free port, measures its clients, and ends it.
fn requests<H: Heavy>(lap: &Lap) -> Sample {
    turns_a_microsecond();
    let runtime = Builder::new_multi_thread().worker_threads(cores()).enable_all().build().expect("it starts");
    let (stop, stopped) = oneshot::channel::<()>();
    let (way, server, address) = runtime.block_on(async {
        let way = H::start();
        let router = Router::new().route("/cheap/{n}", get(cheap)).route("/heavy/{n}", get(heavy::<H>));
        let router = router.with_state(way.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let server = axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) });
        (way, tokio::spawn(async move { server.await }), address)
    });
    let sample = load(lap, address);
    stop.send(()).expect("the server runs");
    runtime.block_on(async {
        server.await.expect("the server ends").expect("it serves");
        way.stop().await;
    });
    sample
}

/// What all clients share.
struct Load {
    server: SocketAddr,
    /// Where the clients wait after they have warmed up.
    warm: Barrier,
    is_over: AtomicBool,
}

/// Lets clients send requests for some laps.
fn load(lap: &Lap, server: SocketAddr) -> Sample {
    let heavy = HEAVY_CLIENTS * cores();
    let load = &Load { server, warm: Barrier::new(heavy + CHEAP_CLIENTS + 1), is_over: AtomicBool::new(false) };
    thread::scope(|scope| {
        let heavy: Vec<_> = (0..heavy).map(|_| scope.spawn(|| load.client("heavy", |_| ()))).collect();
        let cheap: Vec<_> = (0..CHEAP_CLIENTS).map(|_| scope.spawn(|| cheap_client(load))).collect();
        load.warm.wait();
        let meter = Meter::start(lap);
        thread::sleep(lap.duration.max(SHORTEST) * LAPS);
        load.is_over.store(true, Ordering::Relaxed);
        let meter = meter.stop();
        let heavy = heavy.into_iter().map(|client| client.join().expect("it ends")).sum();
        let mut times = Times::of(0);
        cheap.into_iter().for_each(|client| times.extend(client.join().expect("it ends")));
        meter.requests(times, heavy)
    })
}

/// Times its requests, and rests between them.
fn cheap_client(load: &Load) -> Times {
    let mut times = Times::of(1 << 12);
    load.client("cheap", |took| {
        times.push(took);
        thread::sleep(REST);
    });
    times
}

impl Load {
    /// Sends one request after the other, and passes the time of each to `done`. Returns the number
    /// of requests.
    fn client(&self, path: &str, mut done: impl FnMut(Duration)) -> u64 {
        let mut connection = Connection::open(self.server);
        let mut ask = |n: u64| {
            let began = Instant::now();
            check_value(n, connection.get(&format!("/{path}/{n}")));
            began.elapsed()
        };
        (0..WARM_UP).for_each(|n| _ = ask(n));
        self.warm.wait();
        let running = (WARM_UP..).take_while(|_| !self.is_over.load(Ordering::Relaxed));
        running.map(|n| done(ask(n))).count() as u64
    }
}
