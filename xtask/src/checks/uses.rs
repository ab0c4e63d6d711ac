//! Finds the top-level names of a crate, such as its modules, that a file's code uses. `floors`
//! builds the import graph from them.

use crate::checks::source::{attributes, impl_attributes, is_test};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{
    ImplItem, Item, ItemMod, ItemUse, Macro, Path, UseTree,
    spanned::Spanned,
    visit::{self, Visit},
};

/// Returns the names, each with the line of its use. `depth` is the depth of the file's module
/// below the crate. At depth 0 a path without `crate` counts too. An export in `lib.rs` is not a
/// use.
pub(crate) fn uses(file: &syn::File, depth: usize) -> Vec<(String, usize)> {
    let mut uses = Uses { depth, found: Vec::new() };
    uses.visit_file(file);
    uses.found
}

struct Uses {
    depth: usize,
    found: Vec<(String, usize)>,
}

impl Uses {
    fn path(&mut self, segments: &[String], span: Span) {
        if let Some(name) = self.at_top(segments) {
            self.found.push((name.clone(), span.start().line));
        }
    }

    /// Returns the segment after the crate.
    fn at_top<'a>(&self, segments: &'a [String]) -> Option<&'a String> {
        let segments = segments.strip_prefix(&["self".to_owned()]).unwrap_or(segments);
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        match segments.first()?.as_str() {
            "crate" => segments.get(1),
            _ if supers == self.depth => segments.get(supers),
            _ => None,
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) => self.path(&with(&name.ident), name.span()),
            UseTree::Rename(rename) => self.path(&with(&rename.ident), rename.span()),
            UseTree::Glob(glob) => self.path(before, glob.span()),
        }
    }

    /// Searches the tokens of a macro call for `crate::x`, since macro calls are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut last = [String::new(), String::new(), String::new()];
        for token in tokens {
            if let TokenTree::Group(group) = &token {
                self.tokens(group.stream());
            }
            let text = if let TokenTree::Group(_) = token { String::new() } else { token.to_string() };
            if last == ["crate", ":", ":"] {
                self.path(&["crate".into(), text.clone()], token.span());
            }
            last.rotate_left(1);
            last[2] = text;
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !is_test(impl_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_export = self.depth == 0 && !matches!(item.vis, syn::Visibility::Inherited);
        if !is_export {
            self.tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&segments, path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(text: &str, depth: usize) -> Vec<String> {
        uses(&syn::parse_file(text).unwrap(), depth).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn trees_and_paths_and_macros_are_uses() {
        let text = "use crate::{a, b::{self, c}, d as e, f::*};
            pub(in crate::g) fn x(y: crate::h::Y) -> impl crate::i::Z { crate::j::<crate::k::K>(vec![crate::l::m]) }
            macro_rules! n { () => { [$crate::o::p()] } }";
        let expected = ["a", "b", "b", "d", "f", "g", "h", "i", "j", "k", "l", "o"];
        assert_eq!(used(text, 1), expected);
    }

    #[test]
    fn comments_strings_and_tests_are_no_uses() {
        let text = "/// See [`crate::a`].\nfn f() { \"crate::b\"; } // crate::c\n
            #[cfg(test)] mod tests { use crate::d; }\n#[cfg(test)] use crate::e;
            impl F { #[cfg(test)] fn f() { crate::g() } }";
        assert!(used(text, 1).is_empty());
    }

    #[test]
    fn super_counts_if_it_leads_to_the_crate() {
        let text =
            "use super::a; use super::super::b; use self::super::c; mod m { use super::d; use super::super::e; }";
        assert_eq!(used(text, 1), ["a", "c", "e"]);
        assert_eq!(used(text, 2), ["b"]);
    }

    #[test]
    fn use_has_its_line() {
        assert_eq!(uses(&syn::parse_file("use crate::{\n    a,\n};").unwrap(), 1), [("a".into(), 2)]);
    }
}
