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

/// A state that the tasks of a pool can share.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared: the tasks of a pool use it from several threads at once",
    label = "`shared` asks for a state that is `Send` and `Sync`",
    note = "guard what changes with a `Mutex` or an atomic, or leave out `shared` and let a service own the state"
)]
pub trait Shared: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shared for T {}

/// Holds for every argument of a task.
pub const fn argument<T: Argument>() {}

/// Holds for what every task returns.
pub const fn returned<T: Returned>() {}

/// Holds for the state of a set under `#[define(shared)]`.
pub const fn shared<T: Shared>() {}
