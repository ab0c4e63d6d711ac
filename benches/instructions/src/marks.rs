//! The marks: functions before which callgrind ends one part of its counts and begins the next. Each
//! has a body of its own, so that the linker does not merge two of them.

use std::hint::black_box;

/// From this mark on the executor's thread runs calls.
#[inline(never)]
pub(crate) fn end_of_hold() {
    black_box(1);
}

/// At this mark the caller's side is complete.
#[inline(never)]
pub(crate) fn end_of_round() {
    black_box(2);
}

#[inline(never)]
pub(crate) fn end_of_service_calls() {
    black_box(3);
}

#[inline(never)]
pub(crate) fn end_of_tells() {
    black_box(4);
}

#[inline(never)]
pub(crate) fn end_of_pool_calls() {
    black_box(5);
}

#[inline(never)]
pub(crate) fn end_of_locked_children() {
    black_box(6);
}

#[inline(never)]
pub(crate) fn end_of_children() {
    black_box(7);
}

#[inline(never)]
pub(crate) fn end_of_limited_calls() {
    black_box(8);
}

#[inline(never)]
pub(crate) fn end_of_token_calls() {
    black_box(9);
}

#[inline(never)]
pub(crate) fn end_of_urgent_calls() {
    black_box(10);
}

#[inline(never)]
pub(crate) fn end_of_async_calls() {
    black_box(11);
}

#[inline(never)]
pub(crate) fn end_of_yielding_calls() {
    black_box(12);
}
