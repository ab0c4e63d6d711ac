//! [`Mistakes`]: collects the mistakes of one `#[define]` block, so that one build reports all of
//! them.
//!
//! Each module that reads the user's code takes a `&mut Mistakes` and continues after it has
//! recorded a mistake.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

#[derive(Default)]
pub(crate) struct Mistakes {
    found: Option<syn::Error>,
    count: usize,
}

impl Mistakes {
    /// Records a mistake whose span is all of `place`.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(place, message));
    }

    /// Records two places that exclude each other. The later place gets the reason. The first place
    /// gets a note that it is the other place.
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

    /// Returns the number of mistakes so far. A caller that compares two numbers knows whether the
    /// code between them recorded a mistake.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns one `compile_error!` for each mistake.
    pub(crate) fn compile_errors(&self) -> TokenStream {
        self.found.as_ref().map(syn::Error::to_compile_error).unwrap_or_default()
    }

    /// Returns the messages alone, in the order in which they were recorded.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        let errors = self.found.clone().into_iter().flatten();
        errors.map(|error| error.to_string()).collect()
    }
}
