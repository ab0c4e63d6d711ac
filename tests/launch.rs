//! Tests of launches of services that take too long, or that the caller gives up.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster,
    cluster::MemberId,
    pool::Concurrency,
    prelude::*,
    service::{CloseError, Crash, LaunchError, Restart},
    sync::Backoff,
    time::{HOUR, MILLISECOND, MockClock, SECOND},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc::{Receiver, Sender, channel},
};

/// The channel on which an init reports its progress.
type Reports = Sender<&'static str>;

fn hears(heard: &Receiver<&'static str>, what: &str) {
    assert_eq!(heard.recv().expect("the init tells"), what);
}

/// A set whose init waits for ever from some start on.
pub struct Hangs;

#[define]
impl Hangs {
    #[init]
    async fn start(hangs_at: usize, starts: Arc<AtomicUsize>, reports: Reports) -> Self {
        struct ReportOnDrop(Reports);
        impl Drop for ReportOnDrop {
            fn drop(&mut self) {
                let _ = self.0.send("dropped");
            }
        }
        if starts.fetch_add(1, Ordering::Relaxed) >= hangs_at {
            let _tells = ReportOnDrop(reports.clone());
            let _ = reports.send("waits");
            std::future::pending::<()>().await;
        }
        Self
    }

    pub fn value() -> u8 {
        7
    }

    pub fn fail() {
        panic!("no luck");
    }
}

/// A set whose init blocks until the test lets it continue.
pub struct Blocks {
    reports: Reports,
}

#[define]
impl Blocks {
    #[init]
    fn start(go: Receiver<()>, reports: Reports) -> Self {
        let _ = reports.send("waits");
        let _ = go.recv();
        Self { reports }
    }

    #[on_close]
    fn end(self) {
        let _ = self.reports.send("closed");
    }

    pub fn value() -> u8 {
        7
    }
}

pub struct Nests;

#[define]
impl Nests {
    /// Launches a service whose init waits for another task of the same pool.
    pub fn launch(pool: Pool, go: Receiver<()>, let_go: Sender<()>, reports: Reports) -> bool {
        let let_go = Nests::on(&pool).let_go(let_go).submit();
        let launched = Blocks::service(go, reports).launch().wait();
        launched.is_ok() && let_go.wait().is_ok()
    }

    pub fn let_go(let_go: Sender<()>) {
        let _ = let_go.send(());
    }
}

#[test]
fn hanging_async_init_ends_for_its_caller() {
    let clock = MockClock::new();
    clock.run(|| {
        let (reports, heard) = channel();
        let launch = Hangs::service(0, Arc::default(), reports).launch_timeout(SECOND).launch();
        hears(&heard, "waits");
        clock.advance(SECOND);
        assert!(matches!(launch.wait(), Err(LaunchError::TimedOut)));
        hears(&heard, "dropped");
    });
}

#[test]
fn awaited_launch_of_a_hanging_init_times_out() {
    let (reports, _heard) = channel();
    let launch = Hangs::service(0, Arc::default(), reports).launch_timeout(MILLISECOND).launch();
    let error = pollster::block_on(launch).map(drop).expect_err("it hangs");
    assert_eq!(error.to_string(), "`#[init]` did not finish within the launch timeout");
}

#[test]
fn service_closes_when_a_late_init_returns() {
    let ((let_go, go), (reports, heard)) = (channel(), channel());
    let launch = Blocks::service(go, reports).launch_timeout(MILLISECOND).launch();
    assert!(matches!(launch.wait(), Err(LaunchError::TimedOut)));
    hears(&heard, "waits");
    let_go.send(()).expect("the init waits for it");
    hears(&heard, "closed");
}

#[test]
fn launched_service_keeps_no_launch_limit() {
    let (reports, heard) = channel();
    let service = Hangs::service(1, Arc::default(), reports).launch_timeout(HOUR).launch().wait().expect("it starts");
    assert_eq!(service.value().wait().expect("it runs"), 7);
    service.close().wait().expect("it closes");
    assert!(heard.try_recv().is_err());
}

#[test]
fn launch_continues_after_a_wait_with_a_limit() {
    let ((let_go, go), (reports, heard)) = (channel(), channel());
    let launch = Blocks::service(go, reports).launch();
    let launch = launch.wait_timeout(MILLISECOND).expect_err("the init waits");
    hears(&heard, "waits");
    let_go.send(()).expect("the init waits for it");
    let service = launch.wait_timeout(HOUR).map_err(drop).expect("it starts").expect("it starts");
    assert_eq!(service.value().wait().expect("it runs"), 7);
}

#[test]
fn dropped_launch_drops_a_waiting_async_init() {
    let (reports, heard) = channel();
    let launch = Hangs::service(0, Arc::default(), reports).launch();
    hears(&heard, "waits");
    drop(launch);
    hears(&heard, "dropped");
}

#[test]
fn launch_lends_the_slot_of_a_waiting_task() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    let ((let_go, go), (reports, _heard)) = (channel(), channel());
    assert!(Nests::on(&pool).launch(pool.clone(), go, let_go, reports).wait().expect("it runs"));
}

#[test]
fn cluster_launch_times_out_with_a_hanging_member() {
    let (reports, _heard) = channel();
    let member = move |id: MemberId| match id.number() {
        1 => Hangs::service(0, Arc::default(), reports.clone()).launch_timeout(MILLISECOND),
        _ => Hangs::service(1, Arc::default(), reports.clone()),
    };
    let launch = Cluster::builder().launch_numbered(2, member);
    let error = launch.wait().map(drop).expect_err("the second hangs");
    assert_eq!(error.member().number(), 1);
    assert!(matches!(error.into_inner(), LaunchError::TimedOut));
}

#[test]
fn restart_with_a_hanging_init_is_a_crash() {
    let clock = MockClock::new();
    clock.run(|| {
        let (reports, heard) = channel();
        let service = Hangs::service(1, Arc::default(), reports)
            .launch_timeout(SECOND)
            .restart(Restart::on_panic().limit(1, HOUR).backoff(Backoff::none()))
            .launch()
            .wait()
            .expect("the first start is in time");
        assert!(service.fail().wait().is_err());
        hears(&heard, "waits");
        clock.advance(SECOND);
        let ended = service.control().closed().wait();
        assert!(matches!(ended, Err(CloseError::Crashed(Crash::InitTimedOut))), "{ended:?}");
        hears(&heard, "dropped");
    });
}
