//! What a function takes is no borrow of its own, and `'static` borrows outlive every call.
#![deny(warnings)]

use nanolith::prelude::*;
use std::{borrow::Cow, sync::Arc};

pub struct Apply;

#[define]
impl Apply {
    pub fn pointer(f: fn(&str) -> &str, text: String) -> String {
        f(&text).to_owned()
    }

    pub fn boxed(f: Box<dyn for<'a> Fn(&'a str) -> usize + Send>, text: &'static str) -> usize {
        f(text)
    }

    pub fn elided(f: Box<dyn FnOnce(&str) -> usize + Send>, text: Cow<'static, str>) -> usize {
        f(&text)
    }

    pub fn shared(values: Arc<[u8]>, text: Arc<str>) -> &'static str {
        if values.len() > text.len() { "more" } else { "less" }
    }

    pub fn own(mut values: Vec<u8>) -> Vec<u8> {
        values.reverse();
        values
    }
}

fn main() {
    let apply = Apply::tasks();
    assert_eq!(apply.pointer(str::trim, " a ".into()).wait().unwrap(), "a");
    assert_eq!(apply.boxed(Box::new(str::len), "abc").wait().unwrap(), 3);
    assert_eq!(apply.elided(Box::new(str::len), "abc".into()).wait().unwrap(), 3);
    assert_eq!(apply.shared(Arc::from([1]), Arc::from("")).wait().unwrap(), "more");
    assert_eq!(apply.own(vec![1, 2]).wait().unwrap(), [2, 1]);
}
