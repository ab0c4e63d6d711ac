//! [`Extensions`]: the values that an executor gives to the tasks it runs: values by type, and
//! attachments by name.

use super::attachments::{Attachment, Attachments};
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

#[derive(Clone, Default)]
struct TypeMap {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    attached: Attachments,
}

/// A map with at most one value for each type. A clone is cheap.
#[derive(Clone, Default)]
pub(crate) struct Extensions(Option<Arc<TypeMap>>);

impl Extensions {
    /// Adds a value in place of an earlier one of the same type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.make_mut().values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|held| held.values.is_empty())
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.values.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Attaches an item to this map, but not to its earlier clones.
    pub(crate) fn attach(&mut self, item: Attachment) {
        self.make_mut().attached.attach(item);
    }

    /// Allocates the shared map. An item that is attached later is then visible through every clone
    /// made from now on.
    pub(crate) fn share(&mut self) {
        self.0.get_or_insert_with(Arc::default);
    }

    /// Returns the attachments, if the map is shared or holds anything.
    pub(crate) fn attached(&self) -> Option<&Attachments> {
        self.0.as_ref().map(|held| &held.attached)
    }

    fn make_mut(&mut self) -> &mut TypeMap {
        Arc::make_mut(self.0.get_or_insert_with(Arc::default))
    }
}
