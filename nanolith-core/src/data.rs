//! Values that an executor hands to the tasks it runs, by type.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

type Values = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// At most one value a type; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Data(Option<Arc<Values>>);

impl Data {
    /// Adds a value, in place of an earlier one of its type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        let values = self.0.get_or_insert_with(Arc::default);
        Arc::make_mut(values).insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref()
    }
}
