//! Ownership of a task set's state: no state ([`NoState`]), a state shared through an `Arc`, or a
//! state owned by a service's thread ([`Owner`]).

use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    rc::Rc,
    sync::Arc,
};

/// The part of the state `S` that a call on a pool carries.
#[diagnostic::on_unimplemented(
    message = "`{S}` cannot be shared: the tasks of a pool use it from several threads at once",
    label = "`shared` asks for a state that is `Send` and `Sync`",
    note = "replace `Cell` and `RefCell` with a `Mutex` or an atomic, and `Rc` with `Arc`; or leave out `shared` and let a service own the state"
)]
pub trait SharedHandle<S>: Clone + Send + Sync + 'static {
    /// Returns the state, if there is one.
    #[doc(hidden)]
    fn state(&self) -> Option<Arc<S>>;
}

/// The handle of a set that shares no state on pools.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoState;

impl<S> SharedHandle<S> for NoState {
    fn state(&self) -> Option<Arc<S>> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<S: Send + Sync + 'static> SharedHandle<S> for Arc<S> {
    fn state(&self) -> Option<Arc<S>> {
        Some(self.clone())
    }
}

/// A service's state, on the service's own thread. It is lent to many readers or to one writer. The
/// service starts a writer only when no reader is left, so [`Owner::read`] and [`Owner::write`]
/// never find the state lent.
#[doc(hidden)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct Owner<S> {
    home: Rc<Cell<Option<Arc<S>>>>,
}

impl<S> Clone for Owner<S> {
    fn clone(&self) -> Self {
        Self { home: self.home.clone() }
    }
}

impl<S> Owner<S> {
    /// `None` for a set without state.
    pub(crate) fn new(state: Option<S>) -> Self {
        // This is an `Arc` of a type that may not be `Send`. The `Arc` leaves this thread only if
        // `S` allows that.
        #[allow(clippy::arc_with_non_send_sync)]
        let state = state.map(Arc::new);
        Self { home: Rc::new(Cell::new(state)) }
    }

    pub(crate) fn is_some(&self) -> bool {
        let state = self.home.take();
        let is_some = state.is_some();
        self.home.set(state);
        is_some
    }

    /// Returns the shared state, or `None` if there is none or a writer has it.
    pub(crate) fn read(&self) -> Option<Arc<S>> {
        let state = self.home.take();
        self.home.set(state.clone());
        state
    }

    /// Returns the state for exclusive access.
    ///
    /// # Panics
    ///
    /// The writer panics on use if another task has the state. The service prevents that.
    #[must_use]
    pub fn write(&self) -> Writer<'_, S> {
        Writer { state: self.home.take(), home: &self.home }
    }

    /// Returns the state itself, when the service ends.
    pub(crate) fn into_state(self) -> Option<S> {
        self.home.take().and_then(Arc::into_inner)
    }
}

/// Exclusive access to the state for one task. Dropping it returns the state to its [`Owner`].
#[doc(hidden)]
#[allow(missing_debug_implementations)] // hidden: for generated code
pub struct Writer<'a, S> {
    state: Option<Arc<S>>,
    home: &'a Cell<Option<Arc<S>>>,
}

const ALONE: &str = "the service's line keeps readers away from a writer";

impl<S> Deref for Writer<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.state.as_deref().expect(ALONE)
    }
}

impl<S> DerefMut for Writer<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        self.state.as_mut().and_then(Arc::get_mut).expect(ALONE)
    }
}

impl<S> Drop for Writer<'_, S> {
    fn drop(&mut self) {
        self.home.set(self.state.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_returns_after_each_writer() {
        let owner = Owner::new(Some(1));
        *owner.write() += 1;
        *owner.write() += 1;
        assert_eq!(owner.read().as_deref(), Some(&3));
        assert_eq!(owner.into_state(), Some(3));
    }

    #[test]
    fn panicking_writer_gives_the_state_back() {
        let owner = Owner::new(Some(1));
        let _ = crate::util::unwind::catch(|| {
            let _writer = owner.write();
            panic!("half way");
        });
        assert_eq!(owner.into_state(), Some(1));
    }
}
