//! Case S2-clients: a service behind 64 clients, each a task of tokio's multi-thread runtime that
//! awaits one call at a time.

use crate::{
    case::{Case, Contender, Unit},
    drive_async,
    goals::Goal,
    measure::{Lap, Sample},
    peers::{
        AsyncService, Start, Within,
        kameo::Kameo,
        nanolith::AsyncNanolithService,
        ractor::Ractor,
        tokio_mpsc::{FlumeTokio, TokioMpsc},
    },
};

const CLIENTS: usize = 64;

/// The calls that the service's queue holds.
const BOUND: usize = 1_024;

/// The least number of calls in a run, over all clients.
const CALLS: u64 = 50_000;

pub(crate) const S2_CLIENTS: Case = Case {
    name: "S2-clients",
    what: "64 async clients of a service, each awaits one call at a time; the p99 is of a call",
    unit: Unit::CallsPerMs,
    contenders: &[
        Contender::new("kameo", clients::<Kameo<false>>),
        Contender::new("kameo, own thread", clients::<Kameo<true>>),
        Contender::new("ractor", clients::<Ractor>),
        Contender::new("tokio mpsc + oneshot", clients::<TokioMpsc>),
        Contender::new("flume + tokio oneshot", clients::<FlumeTokio>),
        Contender::new("nanolith", clients::<AsyncNanolithService>),
    ],
    goals: &[Goal::ahead(PEERS), Goal::ahead(PEERS).on_one_core()],
    only_named: false,
};

const PEERS: &[&str] = &["kameo", "kameo, own thread", "ractor", "tokio mpsc + oneshot"];

fn clients<P: Within + AsyncService>(lap: &Lap) -> Sample {
    drive_async::clients_within::<P>(lap, Start { callers: CLIENTS, ..Start::bound(BOUND) }, CALLS)
}
