use nanolith::prelude::*;
use std::path::Path;

pub struct Files;

#[define]
impl Files {
    pub fn size(path: impl AsRef<Path>) -> usize {
        path.as_ref().as_os_str().len()
    }

    pub fn text(text: impl AsRef<str>, other: impl Into<String>) -> usize {
        text.as_ref().len() + other.into().len()
    }

    pub fn bytes(bytes: impl AsRef<[u8]>) -> usize {
        bytes.as_ref().len()
    }

    pub fn os(name: impl AsRef<std::ffi::OsStr>) -> usize {
        name.as_ref().len()
    }

    pub fn list(items: impl IntoIterator<Item = i64>) -> i64 {
        items.into_iter().sum()
    }

    pub fn whatever(value: impl Into<Option<u8>>) -> Option<u8> {
        value.into()
    }
}

fn main() {}
