//! [`get`]: a client for HTTP that is just enough for a server on this machine.

use crate::url::Url;
use std::{
    error::Error,
    fmt,
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// How long a connection, and each read, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a page was not fetched.
#[derive(Debug)]
pub enum FetchError {
    /// The server answered with another status than 200.
    Status(Url, u16),
    /// The server did not answer.
    NoAnswer(Url, io::Error),
}

/// Fetches a page, and returns its text.
pub(crate) fn get(url: &Url) -> Result<String, FetchError> {
    let answer = ask(url).map_err(|error| FetchError::NoAnswer(url.clone(), error))?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, answer.split_once("\r\n\r\n")) {
        (Some(200), Some((_, body))) => Ok(body.to_owned()),
        (Some(status), Some(_)) => Err(FetchError::Status(url.clone(), status)),
        _ => Err(FetchError::NoAnswer(url.clone(), io::Error::other("the server hung up"))),
    }
}

fn ask(url: &Url) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&url.host, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    write!(connection, "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", url.path, url.host)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(url, status) => write!(f, "{url} answered with status {status}"),
            Self::NoAnswer(url, error) => write!(f, "{url} did not answer: {error}"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Status(..) => None,
            Self::NoAnswer(_, error) => Some(error),
        }
    }
}
