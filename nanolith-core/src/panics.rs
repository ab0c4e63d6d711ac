//! Catching what a task throws, with the place it was thrown at.
//!
//! The place is known only to the panic hook, so the first executor puts ours before the program's: it notes the place
//! for the thread and passes on. A program that sets its own hook later loses the places and nothing else.

use crate::error::{Panic, Place};
use once_cell::sync::OnceCell;
use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    thread,
};

thread_local! {
    /// Where this thread panicked last.
    static LAST: RefCell<Option<Place>> = const { RefCell::new(None) };
}

static HOOK: OnceCell<()> = OnceCell::new();

/// Puts our hook before the program's, once. Called by every executor as it starts.
pub(crate) fn install_hook() {
    if thread::panicking() {
        return; // the hook cannot be set from here; the next executor does it
    }
    HOOK.get_or_init(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            next(info);
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| Place { file: at.file().to_owned(), line: at.line() });
    // A panic while a thread's locals are being dropped has nowhere to be noted.
    let _ = LAST.try_with(|last| last.replace(place));
}

/// Runs `f`; a panic becomes a value.
///
/// Unwind safety: what `f` touched is the task's own, or a service's state, whose owner is told of the panic.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let place = LAST.try_with(RefCell::take).ok().flatten();
        Panic::new(payload, place)
    })
}

/// Runs the user's code where nobody can be told of a panic: a waker, a destructor, a handler of threads.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(caught) = catch(f) {
        // A payload may itself panic when dropped.
        std::mem::forget(caught.take_payload());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_place() {
        install_hook();
        let caught = catch(|| panic!("no {}", "luck")).expect_err("it panics");
        assert_eq!(caught.message(), "no luck");
        assert_eq!(caught.place(), Some((file!(), line!() - 2)));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_survived() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        quietly(|| panic::panic_any(Bomb));
    }
}
