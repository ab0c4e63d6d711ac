//! `#[define(wire)]`: both enums of a set go over a wire. With `--features wire`.
#![cfg(feature = "wire")]
#![allow(missing_docs, clippy::missing_errors_doc)] // a test is read from its names

use nanolith::prelude::*;

pub struct Geometry;

#[define(wire, identifier = "geometry")]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn name(text: String) -> Option<String> {
        Some(text)
    }
}

#[test]
fn tasks_and_outputs_come_back_as_they_went() {
    let task = serde_json::to_string(&GeometryTask::Add { x: 1, y: 2 }).expect("it is written");
    assert!(matches!(serde_json::from_str(&task), Ok(GeometryTask::Add { x: 1, y: 2 })), "{task}");
    let output = serde_json::to_string(&GeometryOutput::Name(Some("a".into()))).expect("it is written");
    assert!(matches!(serde_json::from_str(&output), Ok(GeometryOutput::Name(Some(_)))), "{output}");
}
