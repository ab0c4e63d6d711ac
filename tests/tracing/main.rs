//! Tests of the spans of calls and services, and of the events of executors.
#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

mod events;
mod records;
mod spans;
