//! [`spawn`]: starts a child that connects to this process. [`invitation`]: by what a process knows that
//! it is a child.

use super::{
    listen,
    process::Process,
    socket::{SECRET, Socket},
    stderr::StderrPipe,
};
use crate::{init::VARIABLE, sys::Spawned};
use std::{
    env,
    io::{self, Write},
    net::TcpListener,
    os::windows::process::CommandExt,
    process::{self, Command, Stdio},
};

/// The flag of a process that Ctrl-C does not reach.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Starts a child. Its standard input brings the port of this process, a secret and the first frame.
pub(crate) fn spawn(mut command: Command, nonce: u64, hello: &[u8], _: &[TcpListener]) -> io::Result<Spawned> {
    let listener = listen()?;
    let mut given = listener.local_addr()?.port().to_le_bytes().to_vec();
    let mut secret = [0; SECRET];
    getrandom::fill(&mut secret)?;
    given.extend_from_slice(&secret);
    given.extend_from_slice(hello);
    let (socket, lifeline) = Socket::new(listener, secret)?;

    let invitation = format!("{}:{nonce}", process::id());
    command.env(VARIABLE, &invitation).arg(&invitation);
    // Ctrl-C in a terminal reaches the parent alone, which ends its children in order.
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    // From here on an error drops the process, which ends it.
    let process = Process::new(child)?;
    let stderr = StderrPipe::new(stderr.ok_or(io::ErrorKind::BrokenPipe)?)?;
    match stdin.ok_or(io::ErrorKind::BrokenPipe)?.write_all(&given) {
        // The child has died already, which leads to its exit status.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(Spawned { process, socket, lifeline, stderr })
}

/// Returns the number that the parent of this process repeats, if this process is a child.
///
/// A process that a child starts inherits the variable, but not the last argument.
pub(crate) fn invitation() -> Option<u64> {
    let variable = env::var(VARIABLE).ok()?;
    let is_ours = env::args_os().skip(1).last()? == *variable;
    nonce(&variable).filter(|_| is_ours)
}

/// Returns the number in the text of an invitation.
fn nonce(invitation: &str) -> Option<u64> {
    invitation.split_once(':')?.1.parse().ok()
}

/// Returns a child that does nothing, and its end of the socket.
#[cfg(test)]
pub(crate) fn idle_child() -> (Spawned, super::ChildSocket) {
    let mut command = Command::new("cmd");
    command.args(["/c", "pause"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let stderr = StderrPipe::new(child.stderr.take().expect("it is a pipe")).expect("a thread starts");
    let process = Process::new(child).expect("a job");
    let (socket, lifeline, theirs, _) = super::socket::connected();
    (Spawned { process, socket, lifeline, stderr }, theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invitation_has_the_number() {
        assert_eq!(nonce("1:18446744073709551615"), Some(u64::MAX));
        assert_eq!(nonce("1"), None);
    }
}
