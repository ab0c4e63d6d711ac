//! The peers of the cases about child processes: a raw pair of sockets, and the scripts of Node.js
//! and Python.

mod raw_socket;
mod script;

pub(crate) use raw_socket::{RawSocket, serve_if_child};
pub(crate) use script::{NODE, PYTHON, sample};
