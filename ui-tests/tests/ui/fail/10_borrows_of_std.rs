use nanolith::prelude::*;
use std::{ffi::{CStr, OsStr}, path::Path};

pub struct Files;

#[define]
impl Files {
    pub fn text(text: &str) -> usize {
        text.len()
    }

    pub fn bytes(bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub fn path(path: &Path) -> usize {
        path.as_os_str().len()
    }

    pub fn names(os: &OsStr, c: &CStr) -> usize {
        os.len() + c.to_bytes().len()
    }

    pub fn texts(texts: &[&str]) -> usize {
        texts.len()
    }

    pub fn list(list: &Vec<String>, more: &mut Vec<u8>) -> usize {
        list.len() + more.len()
    }

    pub fn maybe(name: Option<&str>, array: [&Path; 2]) -> usize {
        name.map_or(0, str::len) + array.len()
    }
}

fn main() {}
