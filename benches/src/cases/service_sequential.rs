//! Cases S1 and S1a: the latency of a call to a service, which has a state and a thread of its own.
//! The caller waits for each call before the next.

use crate::{
    case::{Case, Contender, Unit},
    drive, drive_async,
    goals::Goal,
    measure::{Lap, Sample},
    peers::{
        AsyncService, Service, Start, Within,
        actix::Actix,
        channels::{CrossbeamChannel, Flume, StdMpsc},
        handover::OneLine,
        kameo::{BlockingKameo, Kameo},
        nanolith::{AsyncNanolithService, NanolithService},
        ractor::Ractor,
        slot::{AtomicSlot, MutexSlot},
        slot_service::SlotService,
        tokio_mpsc::FlumeTokio,
        xtra::Xtra,
    },
};

/// The calls that the queue holds, though only one is in flight at a time.
const BOUND: usize = 1_024;

pub(crate) const S1: Case = Case {
    name: "S1",
    what: "call a service on its own thread and wait, one at a time",
    unit: Unit::Nanos,
    contenders: &[
        Contender::new("slot with brief spin", one::<SlotService<MutexSlot>>),
        Contender::new("kameo, block_on", one_async::<Kameo<false>>),
        Contender::new("kameo, blocking_send", one::<BlockingKameo>),
        Contender::new("kameo, own thread", one_async::<Kameo<true>>),
        Contender::new("kameo, same runtime", one_within::<Kameo<false>>),
        Contender::new("ractor, block_on", one_async::<Ractor>),
        Contender::new("ractor, same runtime", one_within::<Ractor>),
        Contender::new("actix, own arbiter", one_async::<Actix>),
        Contender::new("xtra, block_on", one_async::<Xtra>),
        Contender::new("flume + oneshot", one::<Flume>),
        Contender::new("std mpsc + oneshot", one::<StdMpsc>),
        Contender::new("crossbeam + oneshot", one::<CrossbeamChannel>),
        Contender::new("limit: slot of atomics", one::<SlotService<AtomicSlot>>),
        Contender::new("limit: a cache line there and back", one::<OneLine>),
        Contender::new("nanolith", one::<NanolithService>),
    ],
    goals: &[
        Goal::below(&["kameo, block_on", "kameo, blocking_send", "kameo, own thread", "ractor, block_on"]),
        Goal::below(&["actix, own arbiter", "xtra, block_on"]),
        Goal::below(&["kameo, same runtime", "ractor, same runtime"]),
        Goal::below(&["flume + oneshot", "std mpsc + oneshot", "crossbeam + oneshot"]),
    ],
    only_named: false,
};

pub(crate) const S1_ASYNC: Case = Case {
    name: "S1a",
    what: "the same, awaited by a task of tokio's multi-thread runtime",
    contenders: &[
        Contender::new("kameo, own thread", one_within::<Kameo<true>>),
        Contender::new("kameo, same runtime", one_within::<Kameo<false>>),
        Contender::new("ractor, same runtime", one_within::<Ractor>),
        Contender::new("flume + tokio oneshot", one_within::<FlumeTokio>),
        Contender::new("nanolith", one_within::<AsyncNanolithService>),
    ],
    goals: &[Goal::below(&["kameo, own thread", "flume + tokio oneshot"])],
    ..S1
};

fn one<P: Service>(lap: &Lap) -> Sample {
    drive::service_latency::<P>(lap, Start::bound(BOUND))
}

fn one_async<P: AsyncService>(lap: &Lap) -> Sample {
    drive_async::service_latency::<P>(lap, Start::bound(BOUND))
}

fn one_within<P: Within + AsyncService>(lap: &Lap) -> Sample {
    drive_async::service_latency_within::<P>(lap, Start::bound(BOUND))
}
