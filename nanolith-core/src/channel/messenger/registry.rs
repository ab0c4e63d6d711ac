//! The registry of messenger names in the process. A simulation has a registry of its own.

use super::{
    LagPolicy, OpenError,
    shared::{Endpoint, MessengerShared},
};
use crate::sim_runtime;
use std::{
    any::{Any, type_name},
    collections::BTreeMap,
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// A messenger that can be opened by its name.
struct Named {
    hub: Weak<dyn Any + Send + Sync>,
    id: NonZero<u64>,
    message_type: &'static str,
    policy: LagPolicy,
}

/// The messengers by realm (see [`sim_runtime::realm`]) and name.
type Names = BTreeMap<(u64, Arc<str>), Named>;

fn lock() -> MutexGuard<'static, Names> {
    static NAMES: Mutex<Names> = Mutex::new(BTreeMap::new());
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the names in use, sorted. A name is in use while an endpoint or a subscriber of its
/// messenger exists, and the messenger is not closed.
///
/// ```
/// use nanolith::messenger::{self, Messenger};
/// let orders = Messenger::<u32>::open("orders")?;
/// assert!(messenger::names().iter().any(|name| &**name == "orders"));
/// # Ok::<(), messenger::OpenError>(())
/// ```
#[must_use]
pub fn names() -> Vec<Arc<str>> {
    let realm = sim_runtime::realm();
    lock().keys().filter(|(of, _)| *of == realm).map(|(_, name)| name.clone()).collect()
}

/// Opens an endpoint of the messenger of that name, and creates the messenger if the name is not in
/// use. If `policy` is set, an existing messenger must have it.
pub(super) fn open<T: Send + Sync + 'static>(
    name: Arc<str>,
    policy: Option<LagPolicy>,
) -> Result<Arc<Endpoint<T>>, OpenError> {
    let realm = sim_runtime::realm();
    let mut names = lock();
    if let Some((named, hub)) = names.get(&(realm, name.clone())).and_then(|named| Some((named, named.hub.upgrade()?)))
    {
        let (carries, has) = (named.message_type, named.policy);
        drop(names); // dropping the last owner of `hub` takes the lock
        let hub = hub.downcast::<MessengerShared<T>>();
        let hub = hub.map_err(|_| OpenError::OtherType { name: name.clone(), asked: type_name::<T>(), carries })?;
        return match policy {
            Some(asked) if asked != has => Err(OpenError::OtherPolicy { name, asked, has }),
            _ => Ok(Endpoint::new(hub)),
        };
    }
    let policy = policy.unwrap_or_default();
    let hub = MessengerShared::<T>::new(Some(name.clone()), policy);
    let seat = Endpoint::new(hub.clone());
    let known: Arc<dyn Any + Send + Sync> = hub.clone();
    let named = Named { hub: Arc::downgrade(&known), id: hub.id, message_type: type_name::<T>(), policy };
    names.insert((realm, name), named);
    Ok(seat)
}

/// Frees a name, unless another messenger uses it by now.
pub(super) fn forget(realm: u64, name: &Arc<str>, id: NonZero<u64>) {
    let name = (realm, name.clone());
    let mut names = lock();
    if names.get(&name).is_some_and(|named| named.id == id) {
        names.remove(&name);
    }
}
