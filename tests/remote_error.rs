//! Tests of [`RemoteError`]. They need the feature `wire`.
#![cfg(feature = "wire")]
#![allow(missing_docs, clippy::missing_errors_doc)] // a test's name documents it

use anyhow::Context as _;
use nanolith::{BoxError, prelude::*, wire::RemoteError};
use std::{error::Error, fmt, fs, io, iter};

const MISSING: &str = "no/such/folder/file";

pub struct Files;

#[define(wire)]
impl Files {
    pub fn read(path: String) -> Result<Vec<u8>, RemoteError> {
        Ok(fs::read(path)?)
    }
}

/// An error with a source.
#[derive(Debug)]
struct NotLoaded<E>(E);

impl<E> fmt::Display for NotLoaded<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are not loaded")
    }
}

impl<E: Error + 'static> Error for NotLoaded<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn not_found() -> io::Error {
    fs::read(MISSING).expect_err("there is no such file")
}

/// What another process receives.
fn received(error: impl Into<RemoteError>) -> RemoteError {
    let error = error.into();
    let text = serde_json::to_string(&error).expect("it is written");
    let received = serde_json::from_str(&text).expect("it is read");
    assert_eq!(error, received);
    received
}

fn texts(error: &RemoteError) -> Vec<&str> {
    error.chain().collect()
}

#[test]
fn task_converts_an_io_error() {
    let error = Files::tasks().read(MISSING.into()).wait().expect("it runs").expect_err("there is no such file");
    assert_eq!(error.to_string(), not_found().to_string());
    assert_eq!(error.kind(), Some(io::ErrorKind::NotFound));
}

#[test]
fn question_mark_converts_each_kind_of_error() {
    fn of<E>(error: E) -> RemoteError
    where
        RemoteError: From<E>,
    {
        let fail = || -> Result<(), RemoteError> { Err(error)? };
        fail().expect_err("it fails")
    }
    let boxed: BoxError = "text".into();
    let all = [of("text"), of("text".to_owned()), of(boxed), of(io::Error::other("text")), of(anyhow::anyhow!("text"))];
    assert!(all.iter().all(|error| texts(error) == ["text"]), "{all:?}");
}

#[test]
fn sources_and_kind_survive_serialization() {
    let error = received(NotLoaded(NotLoaded(not_found())));
    let first = "the settings are not loaded";
    assert_eq!(texts(&error), [first, first, &not_found().to_string()]);
    assert_eq!(error.kind(), Some(io::ErrorKind::NotFound));
}

#[test]
fn field_names_are_stable() {
    let error = RemoteError::from(NotLoaded(io::Error::from(io::ErrorKind::TimedOut)));
    let text = serde_json::to_string(&error).expect("it is written");
    assert_eq!(text, r#"{"text":"the settings are not loaded","sources":["timed out"],"kind":"TimedOut"}"#);
}

#[test]
fn context_of_anyhow_keeps_the_kind() {
    let with_context = Err::<(), _>(not_found()).context("no settings").expect_err("it fails");
    let error = received(with_context);
    assert_eq!(texts(&error), ["no settings", &not_found().to_string()]);
    assert_eq!(error.kind(), Some(io::ErrorKind::NotFound));
    let without_context = received(anyhow::Error::from(not_found()));
    assert_eq!(texts(&without_context), [not_found().to_string()]);
    assert_eq!(without_context.kind(), None, "anyhow shows it now: say so in the documentation");
}

#[test]
fn kind_without_an_io_error_is_none() {
    assert_eq!(RemoteError::from("text").kind(), None);
    assert_eq!(RemoteError::from(NotLoaded(fmt::Error)).kind(), None);
}

#[test]
fn unknown_kind_is_none() {
    let text = r#"{"text":"a","sources":[],"kind":"OfALaterRust"}"#;
    let error: RemoteError = serde_json::from_str(text).expect("it is read");
    assert_eq!(error.kind(), None);
}

#[test]
fn every_kind_of_the_system_survives() {
    use io::ErrorKind::{
        AddrInUse, AlreadyExists, BrokenPipe, CrossesDevices, Interrupted, NotFound, Other, OutOfMemory,
        PermissionDenied, QuotaExceeded, StorageFull, TimedOut, UnexpectedEof, Unsupported, WouldBlock,
    };
    for kind in [
        AddrInUse,
        AlreadyExists,
        BrokenPipe,
        CrossesDevices,
        Interrupted,
        NotFound,
        Other,
        OutOfMemory,
        PermissionDenied,
        QuotaExceeded,
        StorageFull,
        TimedOut,
        UnexpectedEof,
        Unsupported,
        WouldBlock,
    ] {
        assert_eq!(received(io::Error::from(kind)).kind(), Some(kind));
    }
}

#[test]
fn boxed_error_has_the_same_texts() {
    let error = RemoteError::from(NotLoaded(NotLoaded(not_found())));
    let boxed = error.clone().into_boxed();
    let first: &(dyn Error + 'static) = &*boxed;
    let chain: Vec<_> = iter::successors(Some(first), |error| (**error).source()).map(ToString::to_string).collect();
    assert_eq!(chain, texts(&error));
}

#[test]
fn long_chain_is_dropped_without_recursion() {
    let text = serde_json::json!({ "text": "a", "sources": vec!["b"; 1_000_000], "kind": null });
    let error: RemoteError = serde_json::from_value(text).expect("it is read");
    drop(error.into_boxed());
}

#[test]
fn debug_prints_text_and_sources_as_anyhow_does() {
    for error in [
        anyhow::anyhow!("the disk is full"),
        anyhow::anyhow!("the disk is full").context("not saved"),
        anyhow::anyhow!("the disk is full\nall of it").context("not written").context("not saved"),
    ] {
        // `Debug` of anyhow ends with a backtrace if `RUST_BACKTRACE` is set.
        let expected = format!("{error:?}").split("\n\nStack backtrace").next().map(str::to_owned);
        let alternate = format!("{error:#}");
        let error = RemoteError::from(error);
        assert_eq!(Some(format!("{error:?}")), expected);
        assert_eq!(format!("{error:#}"), alternate);
    }
}
