//! [`RawSocket`]: a child of this program that answers each message over a pair of sockets. Nothing
//! less can be sent to a process and back by these means.

use std::{
    env, hint,
    io::{self, Read, Write},
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{self, Child, Command, Stdio},
};

/// The environment variable that makes a process a child of this kind: the length of its messages,
/// and the length of its answers.
const VARIABLE: &str = "NANOLITH_BENCH_ECHO";

/// Serves, if this process is such a child.
pub(crate) fn serve_if_child() {
    let Ok(lens) = env::var(VARIABLE) else { return };
    let (message, answer) = lens.split_once(' ').expect("two lengths");
    let len = |text: &str| text.parse().expect("a length");
    if let Err(error) = serve(len(message), len(answer)) {
        eprintln!("the child cannot serve: {error}");
    }
    process::exit(0)
}

fn serve(message: usize, answer: usize) -> io::Result<()> {
    // The standard library's `Stdin` has a buffer, which the raw child does without.
    let stdin = io::stdin().lock();
    let mut socket = UnixStream::from(std::os::fd::AsFd::as_fd(&stdin).try_clone_to_owned()?);
    let mut bytes = vec![0; message.max(answer)];
    while socket.read_exact(&mut bytes[..message]).is_ok() {
        hint::black_box(&bytes);
        socket.write_all(&bytes[..answer])?;
    }
    Ok(())
}

/// The parent's end, and the child.
pub(crate) struct RawSocket {
    pub(crate) socket: UnixStream,
    child: Child,
}

impl RawSocket {
    /// Starts a child that takes messages of one length and answers with the other.
    pub(crate) fn start(message: usize, answer: usize) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a pair of sockets");
        let mut command = Command::new("/proc/self/exe");
        command.env(VARIABLE, format!("{message} {answer}")).stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command.spawn().expect("a child");
        Self { socket, child }
    }

    /// Starts a child, and gets its first answer.
    pub(crate) fn start_and_call() -> Self {
        let mut child = Self::start(64, 64);
        child.call(&mut [0; 64], 64);
        child
    }

    /// Sends a message, and reads the answer over it.
    pub(crate) fn call(&mut self, message: &mut [u8], answer: usize) {
        self.socket.write_all(message).expect("it is sent");
        self.socket.read_exact(&mut message[..answer]).expect("it is answered");
    }

    /// Ends the child.
    pub(crate) fn stop(mut self) {
        self.socket.shutdown(Shutdown::Both).expect("the socket is open");
        self.child.wait().expect("it ends");
    }
}
