//! Tests of the publication of metrics by the facade crate `metrics`.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod program;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use metrics_facade::with_local_recorder;
use nanolith::{
    executor::OnFull,
    metrics_export::{PublishError, Publisher, Publishing},
    pool::Concurrency,
    prelude::*,
    time::{HOUR, MILLISECOND, sleep},
};
use std::{
    collections::BTreeMap,
    process::Command,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

pub struct Work;

#[define]
impl Work {
    pub fn add(x: u64, y: u64) -> u64 {
        x + y
    }

    pub fn rest(span: Duration) {
        sleep(span).wait();
    }

    pub async fn doze() {
        sleep(MILLISECOND).await;
    }

    pub async fn pending() {
        std::future::pending::<()>().await;
    }

    pub fn fail() {
        panic!("it was asked to");
    }

    pub async fn fail_later() {
        sleep(MILLISECOND).await;
        panic!("it was asked to");
    }

    pub fn hold(begun: Sender<()>, until: Receiver<()>) {
        let _ = begun.send(());
        let _ = until.recv();
    }
}

fn pool(name: &str) -> Pool {
    let builder = Pool::builder().name(name).concurrency(Concurrency::Exact(1)).max_queue(1).on_full(OnFull::Reject);
    builder.metrics(true).build().expect("sound settings")
}

fn publishing(pool: &Pool) -> Publishing {
    Publisher::new().pool(pool).every(HOUR).start().expect("the pool measures")
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// Publishes to the recorder, and returns the value of each series.
fn publish(publishing: &Publishing, recorder: &PrometheusRecorder) -> BTreeMap<String, f64> {
    with_local_recorder(recorder, || publishing.publish());
    series(recorder)
}

fn series(recorder: &PrometheusRecorder) -> BTreeMap<String, f64> {
    let page = recorder.handle().render();
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.filter_map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse())));
    parsed.map(|(name, value)| (name, value.expect("a number"))).collect()
}

fn calls(task: &str, outcome: &str) -> String {
    format!("nanolith_calls_total{{set=\"Work\",task=\"{task}\",outcome=\"{outcome}\"}}")
}

#[test]
fn each_way_in_which_a_call_ends_has_its_counter() {
    let pool = pool("outcomes");
    let (publishing, recorder, work) = (publishing(&pool), recorder(), Work::on(&pool));
    for _ in 0..5 {
        work.add(1, 2).wait().expect("it runs");
    }
    work.doze().wait().expect("it runs");
    assert!(work.fail().wait().is_err());
    assert!(work.fail_later().wait().is_err());
    assert!(work.pending().timeout(MILLISECOND).wait().is_err());
    let ((begun, has_begun), (go, until)) = (channel(), channel());
    let holding = work.hold(begun, until).submit();
    has_begun.recv().expect("it begins");
    let queued = work.add(1, 2).submit();
    assert!(work.add(1, 2).wait().is_err(), "the queue is full");
    queued.cancel();
    holding.cancel();
    go.send(()).expect("it waits");
    pool.drained().wait();
    pool.close();
    assert!(work.add(1, 2).wait().is_err());
    let series = publish(&publishing, &recorder);
    let of = |task: &str, outcome: &str| series.get(&calls(task, outcome)).copied();
    assert_eq!(["ok", "cancelled", "full", "closed"].map(|outcome| of("add", outcome)), [5.0, 1.0, 1.0, 1.0].map(Some));
    assert_eq!([of("doze", "ok"), of("fail", "panicked"), of("fail_later", "panicked")], [Some(1.0); 3]);
    assert_eq!([of("pending", "timed_out"), of("hold", "cancelled")], [Some(1.0); 2]);
    for task in ["fail", "fail_later", "pending", "hold"] {
        assert_eq!(of(task, "ok"), Some(0.0), "{task}");
    }
}

#[test]
fn histograms_have_each_call_once_and_in_seconds() {
    let pool = pool("durations");
    let (publishing, recorder) = (publishing(&pool), recorder());
    let rest = || {
        Work::on(&pool).rest(20 * MILLISECOND).wait().expect("it runs");
        pool.drained().wait();
    };
    rest();
    publish(&publishing, &recorder);
    rest();
    let series = publish(&publishing, &recorder);
    let of = |what: &str| series[&format!("nanolith_call_{what}{{set=\"Work\",task=\"rest\"}}")];
    assert_eq!([of("run_seconds_count"), of("wait_seconds_count")], [2.0; 2]);
    assert!((0.039..2.0).contains(&of("run_seconds_sum")), "{series:?}");
}

#[test]
fn service_is_published_and_depth_is_a_gauge() {
    let service = Work::service().name("working").metrics(true).launch().wait().expect("it starts");
    let publishing = Publisher::new().service(&service).every(HOUR).start().expect("it measures");
    let recorder = recorder();
    let ((begun, has_begun), (go, until)) = (channel(), channel());
    let holding = service.hold(begun, until).submit();
    has_begun.recv().expect("it begins");
    let queued = [service.add(1, 2).submit(), service.add(3, 4).submit()];
    let depth = "nanolith_queue_depth{executor=\"working\"}";
    assert_eq!(publish(&publishing, &recorder).get(depth), Some(&2.0));
    go.send(()).expect("it waits");
    holding.wait().expect("it runs");
    assert_eq!(queued.map(|call| call.wait().expect("it runs")), [3, 7]);
    service.close().wait().expect("it closes");
    let series = publish(&publishing, &recorder);
    assert_eq!((series[depth], series[&calls("add", "ok")]), (0.0, 2.0));
}

#[test]
fn drop_publishes_once_more_on_the_thread_that_drops() {
    let pool = pool("dropped");
    let (publishing, recorder) = (publishing(&pool), recorder());
    Work::on(&pool).add(1, 2).wait().expect("it runs");
    pool.drained().wait();
    with_local_recorder(&recorder, || drop(publishing));
    assert_eq!(series(&recorder)[&calls("add", "ok")], 1.0);
}

#[test]
fn later_recorder_gets_all_calls_of_a_counter() {
    let pool = pool("late");
    let publishing = publishing(&pool);
    Work::on(&pool).add(1, 2).wait().expect("it runs");
    pool.drained().wait();
    publishing.publish(); // no recorder is installed
    let late = recorder();
    assert_eq!(publish(&publishing, &late)[&calls("add", "ok")], 1.0);
}

#[test]
fn publisher_keeps_no_pool_open() {
    let pool = pool("short");
    let (publishing, recorder) = (publishing(&pool), recorder());
    pool.pause();
    let queued = Work::on(&pool).add(1, 2).submit();
    drop(pool);
    assert!(matches!(queued.wait(), Err(CallError::Closed(_)) | Ok(3)));
    let depth = "nanolith_queue_depth{executor=\"short\"}";
    assert_eq!(publish(&publishing, &recorder).get(depth), Some(&0.0));
}

#[test]
fn thread_publishes_by_itself() {
    let pool = pool("ticking");
    let recorder: &'static PrometheusRecorder = Box::leak(Box::new(recorder()));
    metrics_facade::set_global_recorder(recorder).expect("it is the only one");
    let publishing = Publisher::new().pool(&pool).every(MILLISECOND).start().expect("the pool measures");
    Work::on(&pool).doze().wait().expect("it runs");
    while series(recorder).get(&calls("doze", "ok")).is_none_or(|count| *count < 1.0) {
        thread::yield_now();
    }
    drop(publishing);
}

#[test]
fn example_shows_the_metrics_of_its_calls() {
    let program = program::build_with("prometheus", &["--features", "metrics-export"]);
    let output = Command::new(program).output().expect("it runs");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "nanolith_calls_total{set=\"Numbers\",task=\"primes\",outcome=\"ok\"} 100",
        "nanolith_calls_total{set=\"Numbers\",task=\"primes\",outcome=\"cancelled\"} 1",
        "nanolith_calls_total{set=\"Numbers\",task=\"reciprocal\",outcome=\"panicked\"} 1",
        "nanolith_call_run_seconds_count{set=\"Counter\",task=\"add\"} 100",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no {line} in\n{printed}");
    }
}

#[test]
fn publisher_refuses_what_it_cannot_do() {
    let plain = Pool::builder().name("plain").build().expect("sound settings");
    let refused = Publisher::new().pool(&plain).start();
    assert!(matches!(refused, Err(PublishError::NotMeasured(name)) if &*name == "plain"));
    let refused = Publisher::new().pool(&pool("measured")).every(Duration::ZERO).start();
    assert!(matches!(refused, Err(PublishError::ZeroInterval)));
}
