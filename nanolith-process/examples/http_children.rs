//! A web server whose connections are accepted by child processes at one listening socket. One child is
//! killed, then all are replaced one by one, and no request fails.
//!
//! `cargo run -p nanolith-process --example http_children` prints what happens. On Windows it prints that
//! children share no socket there.

use nanolith::{event::Events, prelude::*, wire::RemoteError};
use nanolith_process::{ExitReason, ProcessEvent, ProcessPool, accept_timeout, is_retiring, listener};
use std::{
    collections::BTreeSet,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

const CHILDREN: usize = 3;
/// How long a child waits for a connection before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// How long a client may take to send its request.
const CLIENT_LIMIT: Duration = Duration::from_secs(5);

/// A web server.
pub struct Web;

#[define(wire)]
impl Web {
    /// Answers requests until the child is to end. Returns their number.
    ///
    /// # Errors
    ///
    /// The error of the listening socket.
    pub fn serve(cx: &Context<Self>) -> Result<u64, RemoteError> {
        let listener = listener().ok_or_else(|| io::Error::other("the pool has no listening socket"))?;
        let mut answered = 0;
        while !is_retiring() && !cx.is_cancelled() {
            if let Some((client, _)) = accept_timeout(listener, LOOK)? {
                answered += u64::from(answer(&client).is_ok()); // a client may close its connection
            }
        }
        Ok(answered)
    }
}

/// Answers the request of a connection with the id of this process.
fn answer(mut client: &TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(CLIENT_LIMIT))?;
    let (mut head, mut line) = (BufReader::new(client), String::new());
    while head.read_line(&mut line)? > 0 && line.trim_end() != "" {
        line.clear();
    }
    let body = process::id().to_string();
    write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// Makes a request. Returns the process that answered.
fn request(address: SocketAddr) -> io::Result<u32> {
    let (mut server, mut answer) = (TcpStream::connect(address)?, String::new());
    server.set_read_timeout(Some(CLIENT_LIMIT))?;
    write!(server, "GET / HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    server.read_to_string(&mut answer)?;
    let body = answer.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|answer| answer.split("\r\n\r\n").nth(1));
    body.and_then(|pid| pid.parse().ok()).ok_or_else(|| io::Error::other(format!("another answer: {answer}")))
}

fn main() -> Result<(), Box<dyn Error>> {
    nanolith_process::init().serve::<(Web,)>();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let children = ProcessPool::builder().max_children(CHILDREN).listener(listener).build()?;
    let mut events = children.events();
    let keepers: Vec<_> = (0..CHILDREN)
        .map(|_| {
            let children = children.clone();
            thread::spawn(move || keep_serving(&children))
        })
        .collect();

    wait_until_listening(&mut events, CHILDREN);
    print_requests(address);
    print_kill(&children, &mut events)?;
    print_requests(address);
    print_restart(&children, address)?;
    print_requests(address);

    children.close(); // the tasks return
    children.closed().wait();
    for keeper in keepers {
        keeper.join().map_err(|_| "a thread panicked")??;
    }
    let info = children.info();
    println!(
        "{} children: {} crashed, {} restarted, {} killed",
        info.started, info.crashed, info.restarted, info.killed
    );
    Ok(())
}

/// Has one child serve, and another one after its end, until the pool is closed.
fn keep_serving(children: &ProcessPool) -> Result<(), CallError> {
    loop {
        match Web::on(children).serve().wait() {
            Ok(Ok(_)) => {} // the child is replaced, or the pool closes
            Ok(Err(error)) => eprintln!("a child cannot serve: {error}"),
            Err(CallError::Crashed(_)) => {} // another child takes over
            Err(CallError::Closed(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn wait_until_listening(events: &mut Events<ProcessEvent>, children: usize) {
    events.filter(|event| matches!(event, ProcessEvent::Listening { .. })).take(children).for_each(drop);
}

fn print_requests(address: SocketAddr) {
    let answers: Vec<_> = (0..100).map(|_| request(address)).collect();
    let pids: BTreeSet<_> = answers.iter().flatten().collect();
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    println!("100 requests: {failed} failed, {} children answered", pids.len());
}

#[cfg(unix)]
fn kill(pid: u32) -> Result<(), Box<dyn Error>> {
    use rustix::process::{Pid, Signal, kill_process};
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("it is no id")?;
    Ok(kill_process(target, Signal::KILL)?)
}

/// On Windows `build` fails before: children share no socket there.
#[cfg(windows)]
fn kill(_: u32) -> Result<(), Box<dyn Error>> {
    Err("there is no child".into())
}

/// Kills a child from outside, and waits until another one listens.
fn print_kill(children: &ProcessPool, events: &mut Events<ProcessEvent>) -> Result<(), Box<dyn Error>> {
    let pid = children.pids().into_iter().next().ok_or("there are no children")?;
    kill(pid)?;
    for event in &mut *events {
        if let ProcessEvent::Exit { reason: ExitReason::Crashed(crash), .. } = event {
            println!("one child was killed: signal {}", crash.signal().unwrap_or_default());
            break;
        }
    }
    wait_until_listening(events, 1);
    println!("another child listens");
    Ok(())
}

/// Replaces all children while two threads make requests.
fn print_restart(children: &ProcessPool, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let is_over = AtomicBool::new(false);
    let make_requests = || {
        let (mut made, mut failed) = (0, 0);
        while !is_over.load(Ordering::Relaxed) {
            made += 1;
            failed += u32::from(request(address).is_err());
        }
        (made, failed)
    };
    thread::scope(|scope| {
        let clients = [scope.spawn(make_requests), scope.spawn(make_requests)];
        let restarted = children.restart().wait();
        is_over.store(true, Ordering::Relaxed);
        let counts = clients.map(|client| client.join().unwrap_or((0, 1)));
        let (made, failed) = counts.into_iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        println!("{} children restarted under {made} requests: {failed} failed", children.info().restarted);
        Ok(restarted?)
    })
}
