//! [`catch`]: catches the panic of a task, with the location of the panic in the source.
//!
//! Only the panic hook knows the location. So the first executor installs a hook in front of the
//! program's: it notes the location for the thread and calls the program's hook. If a program sets
//! its own hook later, locations are lost and nothing else.
//!
//! A task may catch a panic itself, and may resume a panic of another thread, for which no hook
//! runs. So a note identifies its payload, and a payload without a note has no location.

use crate::error::{Panic, Place};
use once_cell::sync::OnceCell;
use std::{
    any::{Any, TypeId},
    cell::RefCell,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    thread,
};

/// The maximum number of notes of a thread. Several are needed for panics in destructors that run
/// while another panic unwinds, and for panics that a task caught itself.
const MAX_NOTES: usize = 8;

/// The hook's note of one panic.
struct Note {
    payload: Identity,
    place: Place,
}

/// The identity of a payload. The hook sees the payload before it is boxed, so its address is no
/// use.
#[derive(PartialEq, Eq)]
enum Identity {
    /// A text and its address. The next text may get the address of a text that was freed.
    Text(usize, String),
    /// Any other value. Two values of one type are not distinguished.
    Value(TypeId),
}

impl Identity {
    fn of(payload: &(dyn Any + Send)) -> Self {
        let literal = payload.downcast_ref::<&str>().copied();
        match literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str)) {
            Some(text) => Self::Text(text.as_ptr().addr(), text.to_owned()),
            None => Self::Value(payload.type_id()),
        }
    }
}

thread_local! {
    /// The panics of this thread that were not caught here yet, the latest last.
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

static HOOK: OnceCell<()> = OnceCell::new();

/// Installs our hook in front of the program's, once. Every executor calls this as it starts.
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
    let Some(at) = info.location() else { return };
    let note =
        Note { payload: Identity::of(info.payload()), place: Place { file: at.file().to_owned(), line: at.line() } };
    // A panic while the thread's locals are being dropped cannot be noted.
    let _ = NOTES.try_with(|notes| {
        let mut notes = notes.borrow_mut();
        if notes.len() == MAX_NOTES {
            notes.remove(0);
        }
        notes.push(note);
    });
}

/// Takes the place at which `payload` was thrown, if this thread's hook noted it. Notes of later
/// panics, which were caught on the way, are removed.
fn take_place(payload: &(dyn Any + Send)) -> Option<Place> {
    let identity = Identity::of(payload);
    let take = |notes: &RefCell<Vec<Note>>| {
        let mut notes = notes.borrow_mut();
        let at = notes.iter().rposition(|note| note.payload == identity)?;
        notes.drain(at..).next().map(|note| note.place)
    };
    NOTES.try_with(take).ok().flatten()
}

/// Runs `f`, and returns a panic as an error.
///
/// Unwind safety: the values that `f` touched belong to the task, or are the state of a service,
/// whose owner gets the panic.
#[inline]
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(with_place)
}

#[cold]
fn with_place(payload: Box<dyn Any + Send>) -> Panic {
    let place = take_place(&*payload);
    Panic::new(payload, place)
}

/// Runs code of the program whose panics have no receiver: a waker, a destructor, a thread handler.
pub(crate) fn ignore_panics(f: impl FnOnce()) {
    if let Err(caught) = catch(f) {
        forget(&caught);
    }
}

#[cold]
fn forget(caught: &Panic) {
    // A payload may itself panic when dropped.
    std::mem::forget(caught.take_payload());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_caught_with_its_message_and_location() {
        install_hook();
        let caught = catch(|| panic!("no {}", "luck")).expect_err("it panics");
        assert_eq!(caught.message(), "no luck");
        assert_eq!(caught.place(), Some((file!(), line!() - 2)));
    }

    /// Returns the line of the panic that `f` lets out, if it is known.
    fn line_of(f: impl FnOnce()) -> Option<u32> {
        install_hook();
        catch(f).expect_err("it panics").place().map(|place| place.1)
    }

    /// Panics, catches the panic, and returns its payload.
    fn survive(n: u32) -> Box<dyn Any + Send> {
        panic::catch_unwind(|| panic!("caught {n}")).expect_err("it panics")
    }

    #[test]
    fn propagated_panic_has_no_location_of_another() {
        let elsewhere = || thread::spawn(|| panic!("elsewhere")).join().expect_err("it panics");
        assert_eq!(line_of(|| panic::resume_unwind(elsewhere())), None);
        drop(survive(1)); // like an earlier task on this thread
        assert_eq!(line_of(|| panic::resume_unwind(elsewhere())), None);
        let of_one_length = || {
            drop(survive(2));
            panic::resume_unwind(Box::new(format!("passed {}", 2))); // most likely where the former text was
        };
        assert_eq!(line_of(of_one_length), None);
        let literal = || {
            drop(survive(3));
            panic::resume_unwind(Box::new("a literal"));
        };
        assert_eq!(line_of(literal), None);
        let value = || {
            drop(survive(4));
            panic::resume_unwind(Box::new(4_u8));
        };
        assert_eq!(line_of(value), None);
    }

    #[test]
    fn reraised_panic_keeps_its_location() {
        let mut line = 0;
        let again = || {
            line = line!() + 1;
            let payload = panic::catch_unwind(|| panic!("first")).expect_err("it panics");
            drop(survive(5));
            panic::resume_unwind(payload);
        };
        assert_eq!(line_of(again), Some(line));
    }

    #[test]
    fn panic_keeps_its_location_while_a_destructor_catches() {
        struct Catches;
        impl Drop for Catches {
            fn drop(&mut self) {
                assert_eq!(line_of(|| panic!("on top")), Some(line!()));
                drop(survive(6));
                ignore_panics(|| panic::resume_unwind(Box::new("on top, without a hook")));
            }
        }
        let mut line = 0;
        let outer = || {
            let _catches = Catches;
            line = line!() + 1;
            panic!("below");
        };
        assert_eq!(line_of(outer), Some(line));
    }

    #[test]
    fn caught_panics_leave_a_bounded_number_of_notes() {
        install_hook();
        (0..100).for_each(|n| drop(survive(n)));
        assert_eq!(NOTES.try_with(|notes| notes.borrow().len()), Ok(MAX_NOTES));
        assert_eq!(line_of(|| panic!("the next")), Some(line!()));
    }

    #[test]
    fn payload_that_panics_in_drop_is_survived() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        ignore_panics(|| panic::panic_any(Bomb));
    }
}
