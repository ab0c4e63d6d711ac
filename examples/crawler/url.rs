//! [`Url`]: the address of a page.

use std::{fmt, net::SocketAddr};

/// The address of a page: `http://127.0.0.1:8080/page`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    pub(crate) host: SocketAddr,
    /// The path, with its slash.
    pub(crate) path: String,
}

impl Url {
    /// Returns the address that a link leads to, from a page of `host`. Returns `None` if the link
    /// leads to a host whose name is not an IP address and a port.
    pub(crate) fn of_link(link: &str, host: SocketAddr) -> Option<Self> {
        if link.starts_with('/') {
            return Some(Self { host, path: link.to_owned() });
        }
        let (host, path) = link.strip_prefix("http://")?.split_once('/')?;
        Some(Self { host: host.parse().ok()?, path: format!("/{path}") })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}
