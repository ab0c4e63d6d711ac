//! Reads frames from any bytes, in any pieces, and decodes their messages.
//! Run it with `cargo +nightly fuzz run frames` in `nanolith-process`.
#![no_main]

use nanolith_process::__fuzz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| __fuzz::frames(bytes));
