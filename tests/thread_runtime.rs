//! Tests of executors whose threads have entered a tokio runtime: `.tokio(handle)` of the builders.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{Cluster, executor::OnFull, pool::Concurrency, prelude::*, time::SECOND};
use std::{
    net::SocketAddr,
    sync::mpsc::{Sender, channel},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Handle as Tokio, Runtime},
};

pub struct Net {
    started_after: Duration,
}

#[define]
impl Net {
    #[init]
    async fn start() -> Self {
        let began = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_millis(2)).await;
        Self { started_after: began.elapsed() }
    }

    /// Sends the bytes and returns the answer of an echo server.
    pub async fn echo(server: SocketAddr, sent: Vec<u8>) -> Result<Vec<u8>, std::io::Error> {
        let mut connection = TcpStream::connect(server).await?;
        connection.write_all(&sent).await?;
        connection.shutdown().await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    pub async fn nap() -> bool {
        tokio::time::sleep(Duration::from_millis(2)).await;
        tokio::spawn(async { true }).await.is_ok_and(|answer| answer)
    }

    pub fn has_runtime() -> bool {
        Tokio::try_current().is_ok()
    }

    /// Awaits a tokio future on this thread, which is not a thread of the runtime.
    pub fn block_on_nap() -> bool {
        Tokio::current().block_on(tokio::time::sleep(Duration::from_millis(2)));
        true
    }

    pub fn hold(started: Sender<()>, release: std::sync::mpsc::Receiver<()>) {
        started.send(()).expect("the test waits");
        let _ = release.recv();
    }

    pub async fn started_after(&self) -> Duration {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.started_after
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads")
}

/// Starts a server that returns to each client what it sends.
fn echo_server(runtime: &Runtime) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    runtime.spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

#[test]
fn pool_task_uses_timers_and_sockets_of_the_runtime() {
    let runtime = runtime();
    let server = echo_server(&runtime);
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).tokio(runtime.handle().clone()).build().expect("ok");
    let net = Net::on(&pool);
    let jobs: Vec<_> = (0..20_u8).map(|n| net.echo(server, vec![n; 1_000]).submit()).collect();
    for (n, job) in (0..).zip(jobs) {
        assert_eq!(job.flatten().wait().expect("it is answered"), vec![n; 1_000]);
    }
    assert!(net.nap().wait().expect("it ran"));
    assert!(net.block_on_nap().wait().expect("it ran"));
}

#[test]
fn task_of_a_pool_without_a_runtime_panics_in_tokio() {
    let pool = Pool::builder().build().expect("ok");
    assert!(!Net::on(&pool).has_runtime().wait().expect("it ran"));
    assert!(matches!(Net::on(&pool).nap().wait(), Err(CallError::Panicked(..))));
}

#[test]
fn service_init_and_tasks_use_the_runtime() {
    let runtime = runtime();
    let server = echo_server(&runtime);
    let net = Net::service().tokio(runtime.handle().clone()).launch().wait().expect("it starts");
    assert!(net.started_after().wait().expect("it ran") >= Duration::from_millis(2));
    assert_eq!(net.echo(server, b"hello".to_vec()).flatten().wait().expect("it is answered"), b"hello");
}

#[test]
fn cluster_members_use_the_runtime_of_their_builders() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let net = Cluster::launch(2, move || Net::service().tokio(handle.clone())).wait().expect("they start");
    let napped = net.control().call_all(|net| net.nap()).wait();
    assert!(napped.into_iter().all(|(_, napped)| napped.is_ok_and(|napped| napped)));
}

#[test]
fn spare_thread_enters_the_runtime_too() {
    let runtime = runtime();
    let settings = Pool::builder().min_concurrency(Concurrency::Exact(1)).concurrency(Concurrency::Exact(2));
    let pool = settings.tokio(runtime.handle().clone()).build().expect("ok");
    let (started, starts) = channel();
    let (release, held) = channel();
    let job = Net::on(&pool).hold(started, held).submit();
    starts.recv().expect("it runs"); // on the one thread that the pool keeps
    assert!(Net::on(&pool).nap().timeout(60 * SECOND).wait().expect("it ran"));
    release.send(()).expect("it waits");
    job.wait().expect("it ran");
}

#[test]
fn thread_is_in_the_runtime_from_its_start_to_its_exit() {
    let runtime = runtime();
    let (seen, sightings) = channel();
    let at_exit = seen.clone();
    let pool = Pool::builder()
        .concurrency(Concurrency::Exact(1))
        .tokio(runtime.handle().clone())
        .on_thread_start(move || _ = seen.send(("start", Tokio::try_current().is_ok())))
        .on_thread_exit(move || _ = at_exit.send(("exit", Tokio::try_current().is_ok())))
        .build()
        .expect("ok");
    assert!(Net::on(&pool).has_runtime().wait().expect("it ran"));
    pool.close();
    pool.closed().wait();
    assert_eq!(sightings.try_iter().collect::<Vec<_>>(), [("start", true), ("exit", true)]);
}

#[test]
fn caller_that_runs_a_call_is_in_the_runtime_meanwhile() {
    let runtime = runtime();
    let settings = Pool::builder().max_queue(1).on_full(OnFull::CallerRuns).concurrency(Concurrency::Exact(1));
    let pool = settings.tokio(runtime.handle().clone()).build().expect("ok");
    pool.pause();
    let queued = Net::on(&pool).has_runtime().submit(); // fills the queue of a pool that is paused
    assert!(Net::on(&pool).has_runtime().wait().expect("it ran on this thread"));
    assert!(Tokio::try_current().is_err(), "it has left the runtime");
    pool.resume();
    assert!(queued.wait().expect("it ran"));
}

#[test]
fn shut_down_runtime_ends_calls_that_use_it_alone() {
    let runtime = runtime();
    let pool = Pool::builder().tokio(runtime.handle().clone()).build().expect("ok");
    runtime.shutdown_background();
    assert!(matches!(Net::on(&pool).nap().wait(), Err(CallError::Panicked(..))));
    assert!(Net::on(&pool).has_runtime().wait().expect("the pool lives on"));
}

#[test]
fn runtime_is_refused_for_a_service_of_another_process() {
    let runtime = runtime();
    assert!(Net::service().into_parts().is_ok());
    let error = Net::service().tokio(runtime.handle().clone()).into_parts().err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("`tokio` cannot be set for a service that does not run in this process"));
}
