//! Cases S2 and S2x4: the throughput of calls to a service with a state, many in flight, from one
//! caller and from four.

use crate::{
    case::{Case, Contender, Unit},
    drive, drive_async,
    goals::{Bound, Goal},
    measure::{Lap, Sample},
    peers::{
        AsyncService, Service, Start,
        actix::Actix,
        channels::{CrossbeamChannel, Flume, StdMpsc},
        kameo::Kameo,
        nanolith::NanolithService,
        ractor::Ractor,
        ring::ServiceRing,
        tokio_mpsc::TokioMpsc,
        xtra::Xtra,
    },
};

/// The calls in flight, over all callers.
const IN_FLIGHT: usize = 1_024;

/// The least number of calls in a run.
const CALLS: u64 = 200_000;

pub(crate) const S2: Case = Case {
    name: "S2",
    what: "calls to a service, 1,024 in flight, one caller",
    unit: Unit::CallsPerMs,
    contenders: &[
        Contender::new("kameo", many_async::<1, Kameo<false>>),
        Contender::new("ractor", many_async::<1, Ractor>),
        Contender::new("actix", many_async::<1, Actix>),
        Contender::new("xtra", many_async::<1, Xtra>),
        Contender::new("tokio mpsc + oneshot", many_async::<1, TokioMpsc>),
        Contender::new("flume + oneshot", many::<1, Flume>),
        Contender::new("crossbeam + oneshot", many::<1, CrossbeamChannel>),
        Contender::new("std mpsc + oneshot", many::<1, StdMpsc>),
        Contender::new("limit: ring of slots", many::<1, ServiceRing>),
        Contender::new("nanolith", many::<1, NanolithService>),
    ],
    goals: &[
        Goal::ratio(&["std mpsc + oneshot"], Bound::AtLeast(1.2)),
        Goal::ratio(&["kameo", "ractor"], Bound::AtLeast(5.0)),
        Goal::ahead(CHANNELS),
        Goal::ahead(&["flume + oneshot"]).on_one_core(),
    ],
    only_named: false,
};

pub(crate) const S2_X4: Case = Case {
    name: "S2x4",
    what: "calls to a service, 1,024 in flight, four callers",
    contenders: &[
        Contender::new("kameo", many_async::<4, Kameo<false>>),
        Contender::new("ractor", many_async::<4, Ractor>),
        Contender::new("actix", many_async::<4, Actix>),
        Contender::new("xtra", many_async::<4, Xtra>),
        Contender::new("tokio mpsc + oneshot", many_async::<4, TokioMpsc>),
        Contender::new("flume + oneshot", many::<4, Flume>),
        Contender::new("crossbeam + oneshot", many::<4, CrossbeamChannel>),
        Contender::new("std mpsc + oneshot", many::<4, StdMpsc>),
        Contender::new("limit: ring of slots", many::<4, ServiceRing>),
        Contender::new("nanolith", many::<4, NanolithService>),
    ],
    ..S2
};

const CHANNELS: &[&str] = &["actix", "xtra", "tokio mpsc + oneshot", "flume + oneshot", "crossbeam + oneshot"];

fn start(callers: usize) -> Start {
    Start { callers, ..Start::bound(IN_FLIGHT) }
}

fn many<const CALLERS: usize, P: Service>(lap: &Lap) -> Sample {
    drive::service_rate::<P>(lap, start(CALLERS), CALLS)
}

fn many_async<const CALLERS: usize, P: AsyncService>(lap: &Lap) -> Sample {
    drive_async::service_rate::<P>(lap, start(CALLERS), CALLS)
}
