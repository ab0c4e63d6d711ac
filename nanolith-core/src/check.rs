//! What `#[define]` asserts of the types in a set, at the place where the user wrote them. The traits exist for what the
//! compiler says when they do not hold.

/// What a task can take: it is made by the caller, and moves to the thread that runs the task.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task argument: it would move to another thread",
    label = "this is not `Send`, or borrows",
    note = "an argument is made by the caller and used where the task runs; take a `Send` type that owns its data: `Arc` for `Rc`, `Mutex` for `RefCell`"
)]
pub trait Argument: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Argument for T {}

/// What a task can return: it is made where the task runs, and moves to the caller.
#[diagnostic::on_unimplemented(
    message = "a task cannot return `{Self}`: it would move to another thread",
    label = "this is not `Send`, or borrows",
    note = "an output is made where the task runs and used by the caller; return a `Send` type that owns its data: `Arc` for `Rc`, `Mutex` for `RefCell`"
)]
pub trait Returned: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Returned for T {}

/// A state that its service takes, where the set has no `#[init]`: it is made by the caller, and moves to the service.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to its service: it would move to another thread",
    label = "this is not `Send`, and has no `#[init]`",
    note = "write an `#[init] fn start(..) -> Self`, which makes the state on the service's own thread"
)]
pub trait Handed: Send {}

#[diagnostic::do_not_recommend]
impl<T: Send> Handed for T {}

/// Holds for every argument of a task.
pub const fn argument<T: Argument>() {}

/// Holds for what every task returns.
pub const fn returned<T: Returned>() {}

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
