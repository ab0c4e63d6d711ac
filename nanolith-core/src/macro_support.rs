//! What `#[define]` asserts of the types in a set, at the place where the user wrote them. The traits exist for what the
//! compiler says when they do not hold.

/// The checks of a type that `#[define]` knows a reason of, by the names in it, why it might not
/// move. All hold for the same types; they differ in what the compiler advises.
macro_rules! checks {
    ($($(#[$doc:meta])* $reason:ident: $note:literal;)*) => {$(
        $(#[$doc])*
        pub mod $reason {
            /// What a task can take: it is made by the caller, and moves to the thread that runs
            /// the task.
            #[diagnostic::on_unimplemented(
                message = "`{Self}` cannot be a task argument: it would move to another thread",
                label = "this is not `Send`, or borrows",
                note = $note
            )]
            pub trait Argument: Send + 'static {}

            #[diagnostic::do_not_recommend]
            impl<T: Send + 'static> Argument for T {}

            /// What a task can return: it is made where the task runs, and moves to the caller.
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
    /// For a type whose names give no reason.
    any: "what a task takes and returns is made on one thread and used on another; write a `Send` type that owns its data";
    /// For a type with an `Rc`.
    rc: "an `Rc` counts its owners on one thread; write `Arc<T>`, and `Arc<Mutex<T>>` for `Rc<RefCell<T>>`";
    /// For a type with a `RefCell`.
    ref_cell: "a `RefCell` counts its borrows on one thread; write `Mutex<T>` or `RwLock<T>`";
    /// For a type with a `Cell`.
    cell: "a `Cell` is changed from one thread; write an atomic, as `AtomicU64`, or `Mutex<T>`";
    /// For a type with a `OnceCell` or a `LazyCell`.
    once_cell: "a `OnceCell` or `LazyCell` is set from one thread; write `OnceLock<T>` or `LazyLock<T>`";
    /// For a type with a raw pointer.
    pointer: "a raw pointer does not say which thread may use it; write what it points at, as a `Box<T>`, an `Arc<T>` or a `Vec<T>`, or a type of your own that is `Send`";
    /// For a type with what locking gives.
    guard: "a guard is dropped on the thread that locked; write the lock, as `Arc<Mutex<T>>`, and lock it inside of the task";
    /// For a type with a `dyn Error`.
    error: "an error moves with the task's output; write `Box<dyn Error + Send + Sync>`";
    /// For a type with another trait object.
    object: "a `dyn Trait` is `Send` only if it says so; write `dyn Trait + Send`";
}

// The checks stand outside of the macro, since the compiler shows their bounds.
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

/// A state that its service takes, where the set has no `#[init]`: it is made by the caller, and moves to the service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to its service: it would move to another thread",
    label = "this is not `Send`, and has no `#[init]`",
    note = "write an `#[init] fn start(..) -> Self`, which makes the state on the service's own thread"
)]
pub trait Handed: Send {}

#[diagnostic::do_not_recommend]
impl<T: Send> Handed for T {}

/// The same for the callers of `service`: the compiler does not check a bound with a lifetime where
/// it is written.
pub trait HandedByCaller<'a>: Handed {}

impl<T: Handed> HandedByCaller<'_> for T {}

/// The types of a set whose visibility is an option. The compiler wants them as visible as the
/// set's own type. If they are not, it reports the type that implements this, once, in place of
/// each of them.
#[allow(missing_docs)] // hidden: for generated code
pub trait Visible<S> {
    type Task;
    type Output;
    type Calls<E>;
}

/// `T`, if the checks in `{ ..; true }` hold. If one does not, the compiler tells of it alone: what is made of a type
/// that it could not find out is not looked at any more.
pub type Checked<T, const HOLD: bool> = <T as Check<HOLD>>::Checked;

/// Only `true` gives a type, so that the compiler has to look at the checks.
#[allow(missing_docs)] // hidden: for generated code
pub trait Check<const HOLD: bool> {
    type Checked;
}

impl<T> Check<true> for T {
    type Checked = T;
}
