//! Checks of settings whose builder has no fallible end. They panic at the setter's call site, as
//! `slice::chunks(0)` does.

/// Returns `value`.
///
/// # Panics
///
/// If the value is zero. The message names the setting.
#[track_caller]
pub(crate) fn at_least_one<N: Default + PartialEq>(setting: &str, value: N) -> N {
    assert!(value != N::default(), "`{setting}` must be at least 1");
    value
}

/// Returns `value`.
///
/// # Panics
///
/// If the value is NaN, or not between 0 and `most`. The message names the setting.
#[cfg(feature = "layers")]
#[track_caller]
pub(crate) fn from_zero_to(most: f64, setting: &str, value: f64) -> f64 {
    assert!((0.0..=most).contains(&value), "`{setting}` must be from 0 to {most}");
    value
}
