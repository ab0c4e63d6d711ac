//! [`ServedSets`]: the task sets that a child serves, each as a [`ServedSet`] with its types erased.

use crate::{
    child::{self, OwnedService, Runner},
    wire::{CallHead, Failure},
};
use nanolith::{BoxError, TaskSet, executor::Executor, service::ServiceSet};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::TypeId, sync::OnceLock};

/// A task set whose tasks can run in another process: one with `#[define(wire)]`.
///
/// A service of the set can have its state in another process. So the arguments of `#[init]` implement
/// serde's traits as well, or the state does if there is no `#[init]`. So do the
/// event of an outbox and the message of `#[on_message]`. The error of `#[init]` converts to a
/// [`BoxError`].
///
/// ```compile_fail
/// # use nanolith::prelude::*;
/// # pub struct Geometry;
/// #[define] // without `wire`
/// impl Geometry {
///     pub fn add(x: i64, y: i64) -> i64 { x + y }
/// }
/// nanolith_process::init().serve::<(Geometry,)>();
/// ```
#[diagnostic::on_unimplemented(
    message = "the tasks of `{Self}` cannot pass to another process",
    label = "not `Serialize` and `Deserialize` as a whole",
    note = "write `#[define(wire)]`; all arguments and outputs are then `Serialize` and `Deserialize`",
    note = "the arguments of `#[init]` pass too; without `#[init]` a set with `&self` methods passes its state",
    note = "the event of `outbox = ..` and the message of `#[on_message]` pass too: derive `serde::Serialize` and `serde::Deserialize` for them"
)]
pub trait ProcessSet:
    TaskSet<Task: Serialize + DeserializeOwned, Output: Serialize + DeserializeOwned>
    + ServiceSet<
        Args: Serialize + DeserializeOwned + Send,
        Error: Into<BoxError>,
        OutboxEvent: Serialize + DeserializeOwned,
        InboxMessage: Serialize + DeserializeOwned,
    >
{
}

#[diagnostic::do_not_recommend]
impl<S> ProcessSet for S
where
    S: ServiceSet,
    S::Task: Serialize + DeserializeOwned,
    S::Output: Serialize + DeserializeOwned,
    S::Args: Serialize + DeserializeOwned + Send,
    S::Error: Into<BoxError>,
    S::OutboxEvent: Serialize + DeserializeOwned,
    S::InboxMessage: Serialize + DeserializeOwned,
{
}

/// A tuple of task sets: `(Geometry,)`, or `(Geometry, Counter)`.
///
/// This trait is sealed.
pub trait ServedSets: Sealed {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "it is hidden, and the trait is sealed")]
    fn sets() -> Vec<ServedSet>;
}

mod sealed {
    /// Seals [`ServedSets`](super::ServedSets).
    pub trait Sealed {}
}
use sealed::Sealed;

macro_rules! tuples {
    ($($($set:ident)+;)*) => {$(
        impl<$($set: ProcessSet),+> Sealed for ($($set,)+) {}

        impl<$($set: ProcessSet),+> ServedSets for ($($set,)+) {
            #[allow(private_interfaces, reason = "it is hidden, and the trait is sealed")]
            fn sets() -> Vec<ServedSet> {
                vec![$(ServedSet::of::<$set>()),+]
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// A service that a child has made, or why it has not.
type LaunchResult = Result<Box<dyn OwnedService>, Failure>;

/// A task set, its types erased.
#[derive(Clone, Copy)]
pub(crate) struct ServedSet {
    id: TypeId,
    pub(crate) identifier: &'static str,
    pub(crate) fingerprint: u64,
    /// Runs an encoded task, and appends its output, or the reason why there is none, to a frame.
    /// Returns the kind of that frame.
    pub(crate) run: fn(&Runner, CallHead, &[u8], &mut Vec<u8>) -> u8,
    /// Makes a service from an encoded [`Launch`](crate::wire::Launch).
    pub(crate) launch: fn(&Runner, &[u8]) -> LaunchResult,
}

impl ServedSet {
    fn of<S: ProcessSet>() -> Self
    where
        nanolith::Local: Executor<S>,
    {
        Self {
            id: TypeId::of::<S>(),
            identifier: S::IDENTIFIER,
            fingerprint: S::FINGERPRINT,
            run: Runner::run::<S>,
            launch: child::launch::<S>,
        }
    }
}

static SERVED: OnceLock<Vec<ServedSet>> = OnceLock::new();

/// Records the sets that this program serves. The first call counts.
pub(crate) fn register<T: ServedSets>() -> &'static [ServedSet] {
    SERVED.get_or_init(T::sets)
}

/// Returns the sets that this program serves.
pub(crate) fn served() -> Option<&'static [ServedSet]> {
    SERVED.get().map(Vec::as_slice)
}

/// Returns the position of `S` among the served sets.
pub(crate) fn position<S: TaskSet>() -> Option<u16> {
    let position = served()?.iter().position(|set| set.id == TypeId::of::<S>())?;
    u16::try_from(position).ok()
}
