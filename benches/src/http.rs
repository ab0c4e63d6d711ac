//! [`Connection`]: a client's end of an HTTP/1.1 connection that is kept alive, for the load on a
//! server.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// A connection that is kept alive. A request blocks until its answer is there.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The bytes of the answer so far.
    received: Vec<u8>,
}

/// The end of an answer's head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_nodelay(true).expect("the connection is open");
        Self { stream, received: Vec::new() }
    }

    /// Requests a path, and returns the number in the answer.
    pub(crate) fn get(&mut self, path: &str) -> u64 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).expect("the server reads");
        self.received.clear();
        loop {
            if let Some(number) = parsed(&self.received) {
                return number;
            }
            let mut some = [0; 1_024];
            let count = self.stream.read(&mut some).expect("the server answers");
            assert_ne!(count, 0, "the server closed the connection");
            self.received.extend(&some[..count]);
        }
    }
}

/// Returns the number that is the body of an answer, if the answer is complete.
fn parsed(answer: &[u8]) -> Option<u64> {
    let end = answer.windows(END_OF_HEAD.len()).position(|bytes| bytes == END_OF_HEAD)?;
    let head = std::str::from_utf8(&answer[..end]).expect("the head is text");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.expect("the answer has a length");
    let body = answer.get(end + END_OF_HEAD.len()..)?.get(..length)?;
    Some(std::str::from_utf8(body).expect("the body is text").parse().expect("the body is a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_parsed_when_its_body_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n123";
        assert!((0..answer.len()).all(|length| parsed(&answer[..length]).is_none()));
        assert_eq!(parsed(answer), Some(123));
    }

    #[test]
    #[should_panic(expected = "503")]
    fn answer_of_another_status_is_refused() {
        parsed(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    }
}
