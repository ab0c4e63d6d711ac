//! What is wrong in one block, gathered so that one build tells all of it.
//!
//! Every room that reads what the user wrote takes a `&mut Mistakes` and goes on after a find.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

#[derive(Default)]
pub(crate) struct Mistakes {
    found: Option<syn::Error>,
    count: usize,
}

impl Mistakes {
    /// Points at all of `place`.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(place, message));
    }

    /// Points at two places that cannot both be: the later one says why, the first one says that it is the other.
    pub(crate) fn clash(
        &mut self,
        first: impl ToTokens,
        second: impl ToTokens,
        why: impl Display,
        other: impl Display,
    ) {
        self.at(second, why);
        self.at(first, other);
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        self.count += 1;
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }

    /// How many were found so far; a room that compares two answers knows whether what lay between is sound.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// One `compile_error!` a mistake.
    pub(crate) fn compile_errors(&self) -> TokenStream {
        self.found.as_ref().map(syn::Error::to_compile_error).unwrap_or_default()
    }

    /// The messages alone, in the order in which they were found.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        let errors = self.found.clone().into_iter().flatten();
        errors.map(|error| error.to_string()).collect()
    }
}
