//! Calls native code that is broken: it reads through a null pointer, fails an assertion, and
//! recurses too deep. Each of these ends a process. Here it is a child, and the program goes on.
//!
//! `cargo run -p nanolith-process --example native_crash`

use nanolith::prelude::*;
use nanolith_process::{ChildCrash, ProcessPool};
use std::{
    error::Error,
    ffi::{CString, c_char},
    hint, process, ptr,
};

unsafe extern "C" {
    /// The C library's function. It accepts any pointer, and reads through it.
    fn strlen(text: *const c_char) -> usize;
}

/// A library in C, and its faults.
pub struct Native;

#[define(wire)]
impl Native {
    /// Returns the number of bytes in a text before its first zero. `None` is a null pointer, which
    /// this function should refuse, but does not.
    pub fn length(text: Option<String>) -> usize {
        let text = text.map(|text| CString::new(text).unwrap_or_default());
        let pointer = text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: none. A null pointer is undefined behaviour in C, and a fault on the systems that
        // have child processes. That is what this example shows, in a process that may die of it.
        unsafe { strlen(hint::black_box(pointer)) }
    }

    /// Fails as C's `assert` does.
    pub fn assert_positive(number: i64) -> i64 {
        if number <= 0 {
            eprintln!("Assertion `number > 0' failed.");
            process::abort();
        }
        number
    }

    /// Returns the depth of nested brackets, with a level of recursion for each.
    pub fn depth(brackets: String) -> usize {
        nested(brackets.as_bytes())
    }
}

fn nested(brackets: &[u8]) -> usize {
    let frame = hint::black_box([0_usize; 64]);
    match brackets.split_first() {
        Some((b'[', rest)) => nested(rest) + 1 + frame[0],
        _ => 0,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    nanolith_process::init().serve::<(Native,)>();
    let children = ProcessPool::builder().max_children(1).pass_stderr(false).build()?;
    let native = Native::on(&children);

    println!("length of a text: {}", native.length(Some("text".into())).wait()?);
    print_crash("length of a null pointer", native.length(None).wait());
    print_crash("assertion", native.assert_positive(-1).wait());
    println!("depth of 3 brackets: {}", native.depth("[[[]]]".into()).wait()?);
    print_crash("depth of a million brackets", native.depth("[".repeat(1_000_000)).wait());
    println!("length of a text: {}", native.length(Some("text".into())).wait()?);
    println!("{} of {} children crashed", children.info().crashed, children.info().started);
    Ok(())
}

/// Prints how the child died that ran the call.
fn print_crash<T>(what: &str, outcome: Result<T, CallError>) {
    let Err(error) = outcome else { return println!("{what}: returned") };
    match error.source().and_then(|source| source.downcast_ref::<ChildCrash>()) {
        Some(crash) if crash.is_stack_overflow() => println!("{what}: the stack overflowed"),
        Some(crash) => {
            println!("{what}: signal {}", crash.signal().unwrap_or_default());
            crash.stderr().lines().for_each(|line| println!("  {line}"));
        }
        None => println!("{what}: {error}"),
    }
}
