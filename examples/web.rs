//! A web server whose handlers await the calls of a pool: axum and tokio serve the sockets, and
//! Nanolith runs the work.
//!
//! `cargo run --example web` serves on a free port of this machine and sends itself four requests.
//! One is answered. One is rejected because the pool is full. One is dropped by its client, which
//! cancels the task. The last one is answered again.

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use nanolith::{executor::OnFull, prelude::*, time::MINUTE};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the tasks report to `main`.
type Reports = UnboundedSender<&'static str>;

/// Tasks that compute primes.
pub struct Primes;

#[define]
impl Primes {
    /// Counts the primes below `end`. Returns early when the call is cancelled.
    pub fn count(cx: &Context<Self>, end: u64) -> usize {
        let is_prime = |n: &u64| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0);
        (2..end).take_while(|_| !cx.is_cancelled()).filter(is_prime).count()
    }

    /// Runs until the call is cancelled.
    pub fn search(cx: &Context<Self>) -> usize {
        report(cx, "search: started");
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        report(cx, "search: cancelled");
        0
    }
}

fn report(cx: &Context<Primes>, what: &'static str) {
    if let Some(reports) = cx.data::<Reports>() {
        let _ = reports.send(what);
    }
}

async fn count(State(primes): State<PrimesCalls<Pool>>, Path(end): Path<u64>) -> Result<String, StatusCode> {
    answer(primes.count(end).timeout(MINUTE).await)
}

async fn search(State(primes): State<PrimesCalls<Pool>>) -> Result<String, StatusCode> {
    answer(primes.search().await)
}

fn answer(outcome: Result<usize, CallError>) -> Result<String, StatusCode> {
    outcome.map(|count| count.to_string()).map_err(|error| match error {
        CallError::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        CallError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

/// Opens a connection and sends a request.
async fn request(server: SocketAddr, path: &str) -> Result<TcpStream, Failure> {
    let mut connection = TcpStream::connect(server).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    Ok(connection)
}

/// Sends a request and prints the status and the body of its answer.
async fn ask(server: SocketAddr, path: &str) -> Result<(), Failure> {
    let mut answer = String::new();
    request(server, path).await?.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).unwrap_or("no status");
    println!("{path}: {status} {body}");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (reports, mut reported) = unbounded_channel();
    // At most one request runs or waits, so that the second one below is rejected.
    let pool = Pool::builder().max_in_flight(1).on_full(OnFull::Reject).data::<Reports>(reports).build()?;
    let app =
        Router::new().route("/count/{end}", get(count)).route("/search", get(search)).with_state(Primes::on(&pool));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let server = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    ask(server, "/count/1000").await?;
    pool.drained().await; // an answer is sent before its call leaves the pool

    let dropped = request(server, "/search").await?;
    println!("{}", reported.recv().await.ok_or("the pool is gone")?);
    ask(server, "/count/1000").await?;
    drop(dropped);
    println!("{}", reported.recv().await.ok_or("the pool is gone")?);

    pool.drained().await;
    ask(server, "/count/1000").await?;
    Ok(())
}
