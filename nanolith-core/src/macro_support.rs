//! Traits and functions by which generated code asserts bounds on the types of a task set.
//! `#[define]` places each check where the user wrote the type. Each trait exists for the
//! compiler's message when the bound does not hold.

use std::marker::PhantomData;

/// Defines a module of checks for each reason why a type might not be `Send`. `#[define]` chooses
/// the reason by the names in the type. All checks hold for the same types, and differ only in the
/// compiler's advice.
macro_rules! checks {
    ($($(#[$doc:meta])* $reason:ident: $note:literal;)*) => {$(
        $(#[$doc])*
        pub mod $reason {
            /// A type that a task can take. The caller makes the value, and it moves to the thread
            /// that runs the task.
            #[diagnostic::on_unimplemented(
                message = "`{Self}` cannot be a task argument: it would move to another thread",
                label = "this is not `Send`, or borrows",
                note = $note
            )]
            pub trait Argument: Send + 'static {}

            #[diagnostic::do_not_recommend]
            impl<T: Send + 'static> Argument for T {}

            /// A type that a task can return. The task makes the value where it runs, and it moves
            /// to the caller.
            #[diagnostic::on_unimplemented(
                message = "a task cannot return `{Self}`: it would move to another thread",
                label = "this is not `Send`, or borrows",
                note = $note
            )]
            pub trait Returned: Send + 'static {}

            #[diagnostic::do_not_recommend]
            impl<T: Send + 'static> Returned for T {}
        }
    )*};
}

checks! {
    /// A check of a type whose names give no reason.
    any: "what a task takes and returns is made on one thread and used on another; write a `Send` type that owns its data";
    /// A check of a type with an `Rc`.
    rc: "an `Rc` counts its owners on one thread; write `Arc<T>`, and `Arc<Mutex<T>>` for `Rc<RefCell<T>>`";
    /// A check of a type with a `RefCell`.
    ref_cell: "a `RefCell` counts its borrows on one thread; write `Mutex<T>` or `RwLock<T>`";
    /// A check of a type with a `Cell`.
    cell: "a `Cell` is changed from one thread; write an atomic, as `AtomicU64`, or `Mutex<T>`";
    /// A check of a type with a `OnceCell` or a `LazyCell`.
    once_cell: "a `OnceCell` or `LazyCell` is set from one thread; write `OnceLock<T>` or `LazyLock<T>`";
    /// A check of a type with a raw pointer.
    pointer: "a raw pointer does not say which thread may use it; write what it points at, as a `Box<T>`, an `Arc<T>` or a `Vec<T>`, or a type of your own that is `Send`";
    /// A check of a type with a guard of a lock.
    guard: "a guard is dropped on the thread that locked; write the lock, as `Arc<Mutex<T>>`, and lock it inside of the task";
    /// A check of a type with a `dyn Error`.
    error: "an error moves with the task's output; write `Box<dyn Error + Send + Sync>`";
    /// A check of a type with another trait object.
    object: "a `dyn Trait` is `Send` only if it says so; write `dyn Trait + Send`";
}

// These functions are not part of the macro, because the compiler shows their bounds.
#[allow(missing_docs)]
pub const fn any_argument<T: any::Argument>() {}
#[allow(missing_docs)]
pub const fn any_returned<T: any::Returned>() {}
#[allow(missing_docs)]
pub const fn rc_argument<T: rc::Argument>() {}
#[allow(missing_docs)]
pub const fn rc_returned<T: rc::Returned>() {}
#[allow(missing_docs)]
pub const fn ref_cell_argument<T: ref_cell::Argument>() {}
#[allow(missing_docs)]
pub const fn ref_cell_returned<T: ref_cell::Returned>() {}
#[allow(missing_docs)]
pub const fn cell_argument<T: cell::Argument>() {}
#[allow(missing_docs)]
pub const fn cell_returned<T: cell::Returned>() {}
#[allow(missing_docs)]
pub const fn once_cell_argument<T: once_cell::Argument>() {}
#[allow(missing_docs)]
pub const fn once_cell_returned<T: once_cell::Returned>() {}
#[allow(missing_docs)]
pub const fn pointer_argument<T: pointer::Argument>() {}
#[allow(missing_docs)]
pub const fn pointer_returned<T: pointer::Returned>() {}
#[allow(missing_docs)]
pub const fn guard_argument<T: guard::Argument>() {}
#[allow(missing_docs)]
pub const fn guard_returned<T: guard::Returned>() {}
#[allow(missing_docs)]
pub const fn error_argument<T: error::Argument>() {}
#[allow(missing_docs)]
pub const fn error_returned<T: error::Returned>() {}
#[allow(missing_docs)]
pub const fn object_argument<T: object::Argument>() {}
#[allow(missing_docs)]
pub const fn object_returned<T: object::Returned>() {}

/// A state that a service takes, if the set has no `#[init]`. The caller makes the state, and it
/// moves to the service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to its service: it would move to another thread",
    label = "this is not `Send`, and has no `#[init]`",
    note = "write an `#[init] fn start(..) -> Self`, which makes the state on the service's own thread"
)]
pub trait Handed: Send {}

#[diagnostic::do_not_recommend]
impl<T: Send> Handed for T {}

/// The bound of [`Handed`] for the callers of `service`. The lifetime keeps the compiler from
/// checking the bound at its definition.
pub trait HandedByCaller<'a>: Handed {}

impl<T: Handed> HandedByCaller<'_> for T {}

/// The types of a set whose visibility is an option. The compiler requires them to be as visible as
/// the set's own type. If they are not, it reports the type that implements this trait, once,
/// instead of each of them.
#[allow(missing_docs)] // hidden: for generated code
pub trait Visible<S> {
    type Task;
    type Output;
    type Calls<E>;
}

/// The type `T`, if the checks in `{ ..; true }` hold. If a check fails, the compiler reports only
/// that check. It does not check anything else that uses a type that it could not compute.
pub type Checked<T, const HOLD: bool> = <T as Check<HOLD>>::Checked;

/// A trait that only `true` implements. So the compiler has to evaluate the checks to find the
/// type.
#[allow(missing_docs)] // hidden: for generated code
pub trait Check<const HOLD: bool> {
    type Checked;
}

impl<T> Check<true> for T {
    type Checked = T;
}

/// The type of a future, found without making one.
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct FutureProbe<F>(PhantomData<F>);

impl<F> FutureProbe<F> {
    /// Takes the type from a closure that is never called.
    pub fn of(_: impl FnOnce() -> F) -> Self {
        Self(PhantomData)
    }
}

impl<F: Send> FutureProbe<F> {
    /// Answers for a future that is `Send`. The compiler prefers this to the method of [`FutureStays`].
    pub fn nanolith_stays(&self) -> Moves {
        Moves
    }
}

/// Answers for a future that is not `Send`.
pub trait FutureStays {
    /// See [`FutureProbe::nanolith_stays`].
    fn nanolith_stays(&self) -> Stays {
        Stays
    }
}

impl<F> FutureStays for FutureProbe<F> {}

/// Whether a future stays on its thread, as a type.
pub trait StaysAnswer {
    /// The answer.
    const STAYS: bool;
}

/// The future moves between threads.
#[derive(Debug)]
pub struct Moves;

/// The future stays on its thread.
#[derive(Debug)]
pub struct Stays;

impl StaysAnswer for Moves {
    const STAYS: bool = false;
}

impl StaysAnswer for Stays {
    const STAYS: bool = true;
}

/// Returns the answer of a probe that is not run.
pub const fn stays<A: StaysAnswer>(_: &impl FnOnce() -> A) -> bool {
    A::STAYS
}

/// A value for a call that is never run.
///
/// # Panics
///
/// Always.
pub fn absent<T>() -> T {
    unreachable!("a probe is not run")
}

/// Returns the first reason that holds.
pub const fn first_reason(reasons: &[(bool, &'static str)]) -> Option<&'static str> {
    let mut index = 0;
    while index < reasons.len() {
        if reasons[index].0 {
            return Some(reasons[index].1);
        }
        index += 1;
    }
    None
}
