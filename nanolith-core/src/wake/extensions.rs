//! What an executor hands to the tasks it runs: values by type, and what is attached by name.

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

/// At most one value a type; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Extensions(Option<Arc<TypeMap>>);

impl Extensions {
    /// Adds a value, in place of an earlier one of its type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.make_mut().values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.values.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Attaches to this one, not to its earlier clones.
    pub(crate) fn attach(&mut self, item: Attachment) {
        self.make_mut().attached.attach(item);
    }

    /// Makes room for what is attached later, through any clone that is made from here on.
    pub(crate) fn share(&mut self) {
        self.0.get_or_insert_with(Arc::default);
    }

    /// What is attached, if this was opened or holds anything.
    pub(crate) fn attached(&self) -> Option<&Attachments> {
        self.0.as_ref().map(|held| &held.attached)
    }

    fn make_mut(&mut self) -> &mut TypeMap {
        Arc::make_mut(self.0.get_or_insert_with(Arc::default))
    }
}
