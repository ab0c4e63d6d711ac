//! Tests of the listening sockets that children share. The test program is its own child.
#![allow(missing_docs, clippy::missing_panics_doc)] // a test's name documents it
#![cfg_attr(windows, allow(dead_code, unused_imports))] // most tests are for systems that share sockets

mod processes;

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    event::Events,
    prelude::*,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{
    ProcessEvent, ProcessPool, ProcessPoolBuilder, Role, Stdout, accept_timeout, is_retiring, listener, listeners,
};
use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

/// The environment variable of a child that uses its socket before it serves.
const LISTEN_AT_START: &str = "LISTEN_AT_START";

pub struct Server;

#[define(wire)]
impl Server {
    /// Sends the id of its process to each client, until it is to end. Returns how many it served.
    pub fn serve(cx: &Context<Self>) -> u32 {
        let mut served = 0;
        while !is_retiring() && !cx.is_cancelled() {
            let Some(listener) = listener() else { break };
            let Ok(Some((mut client, _))) = accept_timeout(listener, 10 * MILLISECOND) else { continue };
            served += u32::from(write!(client, "{}", process::id()).is_ok());
        }
        served
    }

    /// Serves one client at each socket, the last first.
    pub fn serve_each() -> usize {
        let wait = |listener| accept_timeout(listener, 10 * SECOND).ok().flatten();
        let clients = listeners().iter().rev().filter_map(wait);
        clients.enumerate().filter_map(|(at, (mut client, _))| write!(client, "{at}").ok()).count()
    }

    pub fn pid() -> u32 {
        process::id()
    }

    /// Returns the listening sockets that a program started by a task has.
    pub fn sockets_of_grandchild() -> Vec<String> {
        let script = "for fd in /proc/self/fd/*; do readlink $fd; done";
        let output = Command::new("sh").args(["-c", script]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().filter(|path| path.starts_with("socket:")).map(str::to_owned).collect()
    }
}

fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn pool(set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = ProcessPool::builder().max_children(2).pass_stderr(false).stdout(Stdout::Null);
    set(builder).build().expect("the settings are right")
}

/// Connects, and returns what the server sends.
fn receive(address: SocketAddr) -> String {
    let mut text = String::new();
    let mut client = TcpStream::connect(address).expect("the socket listens");
    client.set_read_timeout(Some(10 * SECOND)).expect("it is set");
    client.read_to_string(&mut text).expect("a child answers");
    text
}

fn wait_for(events: &mut Events<ProcessEvent>, is_it: impl Fn(&ProcessEvent) -> bool) {
    loop {
        let event = events.recv().wait_timeout(10 * SECOND).unwrap_or_else(|_| panic!("it does not happen"));
        if is_it(&event.expect("the stream goes on")) {
            return;
        }
    }
}

fn children_accept_at_one_socket() {
    let (socket, address) = socket();
    let pool = pool(|set| set.listener(socket));
    let jobs = [Server::on(&pool).serve().submit(), Server::on(&pool).serve().submit()];
    let pids: Vec<u32> = (0..50).map(|_| receive(address).parse().expect("an id")).collect();
    let children = pool.pids();
    assert!(pids.iter().all(|pid| children.contains(pid)), "{pids:?} of {children:?}");
    pool.close();
    let served: u32 = jobs.into_iter().map(|job| job.wait().expect("its task returns")).sum();
    assert_eq!(served, 50);
}

fn connections_wait_for_the_child_that_takes_over() {
    let (socket, address) = socket();
    let pool = pool(|set| set.max_children(1).listener(socket));
    let job = Server::on(&pool).serve().submit();
    let first = receive(address);
    processes::kill(first.parse().expect("an id"));
    assert!(matches!(job.wait(), Err(CallError::Crashed(_))));
    let client = thread::spawn(move || receive(address));
    let _job = Server::on(&pool).serve().submit();
    assert_ne!(client.join().expect("it is answered"), first);
    pool.close();
}

fn restart_of_servers_refuses_no_connection() {
    let (socket, address) = socket();
    let pool = pool(|set| set.listener(socket));
    let mut events = pool.events();
    let mut jobs = [(); 2].map(|()| Server::on(&pool).serve().submit());
    (0..2).for_each(|_| wait_for(&mut events, |event| matches!(event, ProcessEvent::Listening { .. })));
    let old = pool.pids();
    let restarted = pool.restart();
    let restarted = thread::spawn(move || restarted.wait());
    let mut answers = 0;
    while !restarted.is_finished() {
        assert!(!receive(address).is_empty());
        answers += 1;
        for job in &mut jobs {
            if job.is_finished() {
                *job = Server::on(&pool).serve().submit();
            }
        }
    }
    restarted.join().expect("no panic").expect("new children start");
    assert!(answers > 0);
    let pid: u32 = receive(address).parse().expect("an id");
    assert!(!old.contains(&pid));
    assert_eq!(pool.info().crashed, 0);
    pool.close();
}

fn first_use_of_the_socket_is_an_event() {
    let (socket, address) = socket();
    let pool = pool(|set| set.max_children(1).listener(socket));
    let mut events = pool.events();
    let pid = Server::on(&pool).pid().wait().expect("it runs");
    let job = Server::on(&pool).serve().submit();
    wait_for(&mut events, |event| matches!(event, ProcessEvent::Online { .. }));
    let first = events.recv().wait_timeout(10 * SECOND).ok().flatten();
    let is_it =
        matches!(first, Some(ProcessEvent::Listening { pid: child, address: at }) if child == pid && at == address);
    assert!(is_it, "{first:?}");
    pool.close();
    job.wait().expect("its task returns");
    let rest: Vec<_> = events.collect();
    assert!(!rest.iter().any(|event| matches!(event, ProcessEvent::Listening { .. })), "once for a child: {rest:?}");
}

fn socket_can_be_used_before_the_child_serves() {
    let (socket, _) = socket();
    let pool = pool(|set| set.max_children(1).listener(socket).env(LISTEN_AT_START, "1"));
    let mut events = pool.events();
    assert!(Server::on(&pool).pid().wait().is_ok());
    wait_for(&mut events, |event| matches!(event, ProcessEvent::Listening { .. }));
    wait_for(&mut events, |event| matches!(event, ProcessEvent::Online { .. }));
}

fn several_sockets_keep_their_order() {
    let [(first, first_address), (second, second_address)] = [socket(), socket()];
    let pool = pool(|set| set.max_children(1).listener(first).listener(second));
    let mut events = pool.events();
    let job = Server::on(&pool).serve_each().submit();
    assert_eq!((receive(second_address).as_str(), receive(first_address).as_str()), ("0", "1"));
    assert_eq!(job.wait().expect("it runs"), 2);
    wait_for(
        &mut events,
        |event| matches!(event, ProcessEvent::Listening { address, .. } if *address == first_address),
    );
    wait_for(
        &mut events,
        |event| matches!(event, ProcessEvent::Listening { address, .. } if *address == second_address),
    );
}

fn program_of_a_task_does_not_inherit_the_socket() {
    let (socket, _) = socket();
    let pool = pool(|set| set.listener(socket));
    let found = Server::on(&pool).sockets_of_grandchild().wait().expect("it runs");
    assert!(found.is_empty(), "{found:?}");
}

#[cfg(unix)]
fn socket_closes_with_the_pool() {
    use std::{
        fs,
        os::{fd::AsRawFd, unix::fs::MetadataExt},
    };
    let (socket, address) = socket();
    // Another program may listen at the address afterwards, so a connection would show nothing.
    let number = fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("it is open").ino();
    let pool = pool(|set| set.listener(socket));
    assert!(Server::on(&pool).pid().wait().is_ok());
    assert!(TcpStream::connect(address).is_ok(), "the pool keeps it open");
    assert!(has_descriptor(number));
    pool.close();
    pool.closed().wait();
    assert!(!has_descriptor(number));
}

/// Returns whether this process has a descriptor of the file with this number.
#[cfg(unix)]
fn has_descriptor(number: u64) -> bool {
    use std::{fs, os::unix::fs::MetadataExt};
    let descriptors = fs::read_dir("/proc/self/fd").expect("this is Linux").flatten();
    descriptors.filter_map(|entry| fs::metadata(entry.path()).ok()).any(|file| file.ino() == number)
}

fn parent_and_child_without_a_socket_have_none() {
    let pool = pool(|set| set);
    assert_eq!(Server::on(&pool).serve().wait().expect("it runs"), 0);
    assert!(listener().is_none() && listeners().is_empty(), "this is the parent");
}

fn too_many_sockets_are_refused() {
    let builder = (0..17).fold(ProcessPool::builder(), |builder, _| builder.listener(socket().0));
    let error = builder.build().map(drop).expect_err("there are too many");
    assert_eq!(error.to_string(), "the setting `listener` must be set at most 16 times");
}

fn accept_returns_at_its_limit() {
    let (socket, _) = socket();
    socket.set_nonblocking(true).expect("it is set");
    let start = Instant::now();
    assert!(accept_timeout(&socket, Duration::from_millis(50)).expect("it listens").is_none());
    assert!(start.elapsed() >= Duration::from_millis(50));
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn use_socket_at_start() {
    if env::var(LISTEN_AT_START).is_ok() {
        assert!(listener().is_some());
    }
}

fn main() {
    assert!(nanolith_process::role() == Role::Child || listener().is_none());
    nanolith_process::init().on_child_start(use_socket_at_start).serve::<(Server,)>();
    let trials = trials! {
        parent_and_child_without_a_socket_have_none
        accept_returns_at_its_limit
    };
    // On Windows `build` refuses a socket.
    #[cfg(unix)]
    let trials = trials.into_iter().chain(trials! {
        children_accept_at_one_socket
        connections_wait_for_the_child_that_takes_over
        restart_of_servers_refuses_no_connection
        first_use_of_the_socket_is_an_event
        socket_can_be_used_before_the_child_serves
        several_sockets_keep_their_order
        program_of_a_task_does_not_inherit_the_socket
        socket_closes_with_the_pool
        too_many_sockets_are_refused
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().collect()).exit();
}
