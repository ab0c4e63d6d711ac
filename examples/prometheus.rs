//! Metrics for Prometheus: a pool and a service are measured, and a page at `/metrics` shows the
//! figures. The program fetches the page once, prints a few lines of it, and ends.
//!
//! ```sh
//! cargo run --release --features metrics-export --example prometheus
//! ```

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use nanolith::{
    metrics_export::{Publisher, Publishing},
    prelude::*,
};
use std::{
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// Work for the pool.
pub struct Numbers;

#[define]
impl Numbers {
    /// Returns how many primes there are below a limit.
    pub fn primes(limit: u64) -> usize {
        (2..limit).filter(|n| (2..=n.isqrt()).all(|factor| n % factor != 0)).count()
    }

    /// Panics for zero.
    pub fn reciprocal(n: i64) -> i64 {
        1_000_000 / n
    }
}

/// Work for the service.
pub struct Counter {
    total: u64,
}

#[define]
impl Counter {
    /// Adds to the total.
    pub fn add(&mut self, by: u64) -> u64 {
        self.total += by;
        self.total
    }
}

/// The upper bounds of the histograms, in seconds: from 10 µs to 1 s.
const BUCKETS: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

fn main() -> Result<(), Box<dyn Error>> {
    let page = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    let pool = Pool::builder().name("numbers").metrics(true).build()?;
    let counter = Counter::service(Counter { total: 0 }).name("counter").metrics(true).launch().wait()?;
    let publishing = Publisher::new().pool(&pool).service(&counter).start()?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || serve(&listener, &page, &publishing));
    println!("metrics at http://{address}/metrics");

    load(&pool, &counter)?;
    let metrics = fetch(address)?;
    let is_shown = |line: &&str| line.starts_with("nanolith_calls_total") || line.contains("_seconds_count");
    metrics.lines().filter(is_shown).for_each(|line| println!("{line}"));
    assert!(metrics.contains("nanolith_queue_depth{executor=\"numbers\"}"));
    Ok(())
}

/// Makes some calls. One of them panics, and one is cancelled.
fn load(pool: &Pool, counter: &Service<Counter>) -> Result<(), CallError> {
    std::panic::set_hook(Box::new(|_| {})); // the panic below is on purpose
    let numbers = Numbers::on(pool);
    let calls: Vec<_> = (0..100).map(|n| numbers.primes(1_000 + n).submit()).collect();
    for call in calls {
        counter.add(call.wait()? as u64).wait()?;
    }
    assert!(numbers.reciprocal(0).wait().is_err());
    pool.pause();
    numbers.primes(10).submit().cancel();
    pool.resume();
    pool.drained().wait();
    Ok(())
}

/// Answers each request with the page. The figures are published before, so that they are new.
fn serve(listener: &TcpListener, page: &PrometheusHandle, publishing: &Publishing) {
    for stream in listener.incoming().flatten() {
        publishing.publish();
        // A client that has gone needs no answer.
        let _ = answer(stream, &page.render());
    }
}

fn answer(mut stream: TcpStream, page: &str) -> io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?).lines();
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len())
}

fn fetch(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
