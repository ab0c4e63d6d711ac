//! Writes the lines of the API listing, sorted: `PATH: WHAT IT IS`.

use super::{
    krate::{Crates, Definition, Module, is_hidden, is_public, is_there, name_of},
    print::print,
};
use crate::{
    checks::source::{attributes, impl_attributes},
    shell::Failure,
};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Attribute, Fields, FieldsNamed, FieldsUnnamed, FnArg, GenericArgument, Generics, ImplItem, Item, ItemImpl,
    ItemTrait, Meta, Pat, Path, PathArguments, Signature, TraitItem, Type, punctuated::Punctuated,
};

/// Returns the lines for all that can be named from the crate `root`. Fails if a `pub use` of these
/// crates resolves to nothing.
pub(crate) fn lines(crates: &Crates, root: &str) -> Result<Vec<String>, Failure> {
    let mut listing = Listing { crates, named: BTreeMap::new(), lines: BTreeSet::new(), lost: Vec::new() };
    listing.walk(root, root, &mut Vec::new());
    if !listing.lost.is_empty() {
        return Err(Failure::Rule(format!("nothing is found for\n{}", listing.lost.join("\n"))));
    }
    listing.write();
    Ok(listing.lines.into_iter().collect())
}

struct Listing<'a> {
    crates: &'a Crates,
    /// The paths by which each item can be named.
    named: BTreeMap<Definition, BTreeSet<String>>,
    lines: BTreeSet<String>,
    /// Each `pub use` of our own crates that resolves to nothing.
    lost: Vec<String>,
}

impl Listing<'_> {
    /// Collects the names below `path`, which is a path of `module`.
    fn walk(&mut self, path: &str, module: &str, within: &mut Vec<String>) {
        if within.iter().any(|above| above == module) {
            return;
        }
        let Some(inside) = self.crates.get(module) else { return };
        within.push(module.into());
        self.lines.insert(format!("{path}: mod"));
        self.walk_items(path, module, inside, within);
        for used in inside.uses.iter().filter(|used| used.is_public && !used.is_hidden) {
            let found = self.crates.resolve(module, &used.path);
            match &used.name {
                None => found.iter().for_each(|from| self.walk_glob(path, from, within)),
                Some(name) if found.is_empty() => self.external(&format!("{path}::{name}"), module, &used.path),
                Some(name) => {
                    for definition in found.into_iter().filter(|it| self.crates.is_exportable(it)) {
                        self.name(&format!("{path}::{name}"), definition, within);
                    }
                }
            }
        }
        within.pop();
    }

    fn walk_items(&mut self, path: &str, module: &str, inside: &Module, within: &mut Vec<String>) {
        for (at, item) in inside.items.iter().enumerate() {
            let Some((name, visibility)) = name_of(item) else { continue };
            if is_public(visibility) && !is_hidden(attributes(item)) {
                let definition = match item {
                    Item::Mod(_) => Definition::Module(format!("{module}::{name}")),
                    _ => Definition::Item(module.into(), at),
                };
                self.name(&format!("{path}::{name}"), definition, within);
            }
        }
    }

    /// Collects the names of `pub use module::*`.
    fn walk_glob(&mut self, path: &str, from: &Definition, within: &mut Vec<String>) {
        if let Definition::Module(module) = from {
            self.walk(path, module, within);
        }
    }

    fn name(&mut self, path: &str, definition: Definition, within: &mut Vec<String>) {
        match definition {
            Definition::Module(module) => self.walk(path, &module, within),
            item => _ = self.named.entry(item).or_default().insert(path.into()),
        }
    }

    /// Records an item that another crate defines, such as an attribute macro, by its path in that
    /// crate.
    fn external(&mut self, path: &str, module: &str, used: &[String]) {
        match self.crates.foreign(module, used) {
            Some(used) => _ = self.lines.insert(format!("{path}: pub use {}", used.join("::"))),
            None => self.lost.push(format!("{path}: pub use {}", used.join("::"))),
        }
    }

    /// Writes each item at its shortest path. Its other paths get a line that refers to that path.
    fn write(&mut self) {
        let shortest: BTreeMap<Definition, String> = self
            .named
            .iter()
            .filter_map(|(item, paths)| {
                let path = paths.iter().min_by_key(|path| (path.matches("::").count(), path.len()))?;
                Some((item.clone(), path.clone()))
            })
            .collect();
        for (definition, paths) in &self.named {
            let path = &shortest[definition];
            if let Some(item) = self.crates.item(definition) {
                self.lines.extend(item_lines(item).into_iter().map(|(below, text)| format!("{path}{below}: {text}")));
            }
            let others = paths.iter().filter(|other| *other != path);
            self.lines.extend(others.map(|other| format!("{other}: pub use {path}")));
        }
        for (module, inside) in self.crates.modules() {
            for item in &inside.items {
                if let Item::Impl(block) = item
                    && !is_hidden(&block.attrs)
                    && let Some(path) = self.home(module, block, &shortest)
                {
                    self.lines
                        .extend(impl_lines(block).into_iter().map(|(below, text)| format!("{path}{below}: {text}")));
                }
            }
        }
    }

    /// Returns the path at which an `impl` is listed: the path of its type. If the type is not
    /// ours, it is the path of the trait or of the trait's argument. Returns `None` if one of our
    /// own types in it cannot be named.
    fn home<'p>(
        &self,
        module: &str,
        block: &ItemImpl,
        shortest: &'p BTreeMap<Definition, String>,
    ) -> Option<&'p String> {
        let of_trait = block.trait_.as_ref().map(|(path, _)| self.item_at(module, path));
        let of_type = type_path(&block.self_ty).and_then(|path| self.item_at(module, path));
        match (of_trait, of_type) {
            (Some(Some(own_trait)), Some(own_type)) => shortest.get(&own_trait).and(shortest.get(&own_type)),
            (Some(Some(own_trait)), None) => shortest.get(&own_trait),
            (_, Some(own_type)) => shortest.get(&own_type),
            (_, None) => block.trait_.as_ref().and_then(|(path, _)| shortest.get(&self.argument_of(module, path)?)),
        }
    }

    /// Returns the type of our own that is an argument of a trait, as in `impl From<Ours> for
    /// io::Error`.
    fn argument_of(&self, module: &str, path: &Path) -> Option<Definition> {
        let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(ty) => self.item_at(module, type_path(ty)?),
            _ => None,
        })
    }

    /// Returns the type or trait of our own that a path names.
    fn item_at(&self, module: &str, path: &Path) -> Option<Definition> {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.crates.resolve(module, &segments).into_iter().find(|definition| {
            let item = self.crates.item(definition);
            matches!(item, Some(Item::Struct(_) | Item::Enum(_) | Item::Union(_) | Item::Trait(_) | Item::Type(_)))
        })
    }
}

fn type_path(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(path) if path.qself.is_none() => Some(&path.path),
        Type::Paren(inner) => type_path(&inner.elem),
        _ => None,
    }
}

/// A line: the suffix of the item's path, and a description of the item.
type Line = (String, String);

fn item_lines(item: &Item) -> Vec<Line> {
    let mut lines = match item {
        Item::Fn(item) => vec![own(signature("pub", &item.sig))],
        Item::Struct(item) => {
            let private = item.fields.iter().any(|field| !is_public(&field.vis));
            let mut head = declaration("pub struct", &item.ident.to_string(), &item.generics, &TokenStream::new());
            head += if private { " { .. }" } else { "" };
            let mut lines = vec![own(head)];
            for (at, field) in item.fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis)) {
                let name = field.ident.as_ref().map_or_else(|| at.to_string(), ToString::to_string);
                if !is_hidden(&field.attrs) {
                    lines.push((format!("::{name}"), format!("pub {name}: {}", print(field.ty.to_token_stream()))));
                }
            }
            lines
        }
        Item::Enum(item) => {
            let mut lines =
                vec![own(declaration("pub enum", &item.ident.to_string(), &item.generics, &TokenStream::new()))];
            let variants =
                item.variants.iter().filter(|variant| !is_hidden(&variant.attrs) && is_there(&variant.attrs));
            lines.extend(variants.map(|variant| {
                let text = marks(&variant.attrs) + &variant.ident.to_string() + &fields(&variant.fields);
                (format!("::{}", variant.ident), text)
            }));
            lines
        }
        Item::Trait(item) => trait_lines(item),
        Item::Const(item) => {
            let (name, ty) = (&item.ident, &item.ty);
            vec![own(print(quote!(pub const #name: #ty)))]
        }
        Item::Static(item) => {
            let (name, ty) = (&item.ident, &item.ty);
            vec![own(print(quote!(pub static #name: #ty)))]
        }
        Item::Type(item) => {
            let ty = &item.ty;
            vec![own(declaration("pub type", &item.ident.to_string(), &item.generics, &quote!(= #ty)))]
        }
        _ => Vec::new(),
    };
    if let Some((_, head)) = lines.first_mut() {
        head.insert_str(0, &marks(attributes(item)));
    }
    let derives = derives(attributes(item));
    if !derives.is_empty() {
        lines.push(own(format!("#[derive({})]", derives.into_iter().collect::<Vec<_>>().join(", "))));
    }
    lines
}

fn own(text: String) -> Line {
    (String::new(), text)
}

fn trait_lines(item: &ItemTrait) -> Vec<Line> {
    let supertraits = &item.supertraits;
    let bounds = if supertraits.is_empty() { TokenStream::new() } else { quote!(: #supertraits) };
    let mut lines = vec![own(declaration("pub trait", &item.ident.to_string(), &item.generics, &bounds))];
    for item in &item.items {
        let (attributes, name, text) = match item {
            TraitItem::Fn(item) => {
                let provided = if item.default.is_some() { " { .. }" } else { "" };
                (&item.attrs, &item.sig.ident, signature("", &item.sig) + provided)
            }
            TraitItem::Type(item) => (&item.attrs, &item.ident, print(without_attributes(item.attrs.len(), item))),
            TraitItem::Const(item) => {
                let (name, ty) = (&item.ident, &item.ty);
                (&item.attrs, name, print(quote!(const #name: #ty)))
            }
            _ => continue,
        };
        if !is_hidden(attributes) && is_there(attributes) {
            lines.push((format!("::{name}"), text.trim_end_matches(';').into()));
        }
    }
    lines
}

fn impl_lines(block: &ItemImpl) -> Vec<Line> {
    let head = impl_head(block);
    let shown = |item: &&ImplItem| !is_hidden(impl_attributes(item)) && is_there(impl_attributes(item));
    let items = block.items.iter().filter(shown);
    if block.trait_.is_some() {
        let types = items.filter_map(|item| match item {
            ImplItem::Type(item) => {
                let (name, ty) = (&item.ident, &item.ty);
                Some(print(quote!(type #name = #ty)))
            }
            _ => None,
        });
        let types: Vec<_> = types.collect();
        let body = if types.is_empty() { String::new() } else { format!(" {{ {} }}", types.join("; ")) };
        return vec![own(head + &body)];
    }
    // If the block has bounds on its parameters, the method's line shows them.
    let within = if head.contains(": ") { format!(" in {head}") } else { String::new() };
    let methods = items.filter_map(|item| match item {
        ImplItem::Fn(item) if is_public(&item.vis) => {
            Some((item.sig.ident.to_string(), marks(&item.attrs) + &signature("pub", &item.sig)))
        }
        ImplItem::Const(item) if is_public(&item.vis) => {
            let (name, ty) = (&item.ident, &item.ty);
            Some((name.to_string(), print(quote!(pub const #name: #ty))))
        }
        _ => None,
    });
    methods.map(|(name, text)| (format!("::{name}"), text + &within)).collect()
}

fn impl_head(block: &ItemImpl) -> String {
    let (generics, ty, bounds) = (&block.generics, &block.self_ty, &block.generics.where_clause);
    let of = block.trait_.as_ref().map(|(path, for_)| quote!(#path #for_));
    print(quote!(impl #generics #of #ty #bounds))
}

/// Returns a function's signature without the `mut` of its parameters, which does not concern
/// callers.
fn signature(visibility: &str, of: &Signature) -> String {
    let mut of = of.clone();
    for parameter in &mut of.inputs {
        match parameter {
            FnArg::Receiver(receiver) => receiver.mutability = None, // the `mut` of `mut self`
            FnArg::Typed(typed) => {
                if let Pat::Ident(name) = &mut *typed.pat {
                    name.mutability = None;
                }
            }
        }
    }
    let text = print(of.to_token_stream());
    if visibility.is_empty() { text } else { format!("{visibility} {text}") }
}

/// Returns `pub struct Name<T> REST where ..`.
fn declaration(keyword: &str, name: &str, generics: &Generics, rest: &TokenStream) -> String {
    let bounds = &generics.where_clause;
    let text = print(quote!(#generics #rest #bounds));
    let gap = if text.is_empty() || text.starts_with(['<', ':']) { "" } else { " " };
    format!("{keyword} {name}{gap}{text}")
}

/// Returns the fields of a variant, all of which are public.
fn fields(fields: &Fields) -> String {
    match fields {
        Fields::Unit => String::new(),
        Fields::Unnamed(FieldsUnnamed { unnamed, .. }) => {
            let types: Punctuated<&Type, syn::Token![,]> = unnamed.iter().map(|field| &field.ty).collect();
            format!("({})", print(types.to_token_stream()))
        }
        Fields::Named(FieldsNamed { named, .. }) => {
            let fields = named.iter().map(|field| {
                let (name, ty) = (&field.ident, &field.ty);
                print(quote!(#name: #ty))
            });
            format!(" {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns the attributes that concern users.
fn marks(attributes: &[Attribute]) -> String {
    let names = ["non_exhaustive", "deprecated"];
    let found = names.iter().filter(|name| attributes.iter().any(|attribute| attribute.path().is_ident(name)));
    found.map(|name| format!("#[{name}] ")).collect()
}

fn derives(attributes: &[Attribute]) -> BTreeSet<String> {
    let lists = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("derive") => Some(list),
        _ => None,
    });
    let paths =
        lists.filter_map(|list| list.parse_args_with(Punctuated::<Path, syn::Token![,]>::parse_terminated).ok());
    paths.flatten().map(|path| print(path.to_token_stream())).collect()
}

/// Returns the tokens of an item after its attributes. Each attribute is a `#` and a group.
fn without_attributes(count: usize, item: &impl ToTokens) -> TokenStream {
    item.to_token_stream().into_iter().skip(2 * count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::source::parse;

    const CRATES: &[(&str, &str)] = &[("front", "src"), ("back", "back/src")];

    fn listed(files: &[(&str, &str)]) -> Result<Vec<String>, Failure> {
        let sources = files.iter().map(|(path, text)| parse((*text).into(), (*path).into()));
        let crates = Crates::new(sources.collect::<Result<_, _>>()?, CRATES)?;
        lines(&crates, "front")
    }

    /// Returns the listing of a crate with one file, without the line of the crate itself.
    fn of(text: &str) -> Vec<String> {
        listed(&[("src/lib.rs", text)]).unwrap().split_off(1)
    }

    #[test]
    fn items_have_their_signatures() {
        assert_eq!(
            of("pub fn run<T>(mut first: T, next: &mut T) -> u8 { 1 } pub const A: u8 = 1; pub type B<T> = Vec<T>;
                pub trait Work: Send { type Out; fn a(&self); fn b(&self) {} #[doc(hidden)] fn c(&self); }"),
            [
                "front::A: pub const A: u8",
                "front::B: pub type B<T> = Vec<T>",
                "front::Work: pub trait Work: Send",
                "front::Work::Out: type Out",
                "front::Work::a: fn a(&self)",
                "front::Work::b: fn b(&self) { .. }",
                "front::run: pub fn run<T>(first: T, next: &mut T) -> u8",
            ]
        );
    }

    #[test]
    fn glob_follows_a_module_that_another_crate_reexports() {
        let front = "pub mod stream { pub use back::stream::*; pub use back::Call; }";
        let back = "mod channel; pub struct Call; pub use channel::stream;";
        let files = [
            ("src/lib.rs", front),
            ("back/src/lib.rs", back),
            ("back/src/channel/mod.rs", "pub mod stream;"),
            ("back/src/channel/stream.rs", "pub fn pipe() {}"),
        ];
        let lines = listed(&files).unwrap();
        assert!(lines.contains(&"front::stream::pipe: pub fn pipe()".to_owned()), "{lines:?}");
    }

    #[test]
    fn types_are_listed_with_their_public_parts() {
        assert_eq!(
            of("#[derive(Debug, Clone)] pub struct Pool<T> { pub size: usize, name: T }
                impl<T: Send> Pool<T> { pub fn close(mut self) {} fn private(&self) {} #[doc(hidden)] pub fn inner() {} }
                impl<T> Iterator for Pool<T> { type Item = T; fn next(&mut self) -> Option<T> { None } }
                #[non_exhaustive] pub enum End { Done(u8), Failed { why: String }, #[doc(hidden)] Never }
                impl From<End> for std::io::Error { fn from(_: End) -> Self { todo() } }"),
            [
                "front::End: #[non_exhaustive] pub enum End",
                "front::End: impl From<End> for std::io::Error",
                "front::End::Done: Done(u8)",
                "front::End::Failed: Failed { why: String }",
                "front::Pool: #[derive(Clone, Debug)]",
                "front::Pool: impl<T> Iterator for Pool<T> { type Item = T }",
                "front::Pool: pub struct Pool<T> { .. }",
                "front::Pool::close: pub fn close(self) in impl<T: Send> Pool<T>",
                "front::Pool::size: pub size: usize",
            ]
        );
    }

    #[test]
    fn unnameable_items_are_left_out() {
        assert!(
            of("struct A; pub(crate) fn b() {} #[doc(hidden)] pub mod c { pub fn d() {} } mod e { pub fn f() {} }
                    #[cfg(not(feature = \"x\"))] pub fn g() {} #[cfg(loom)] pub fn h() {}")
            .is_empty()
        );
        let traits = of("mod a { pub trait Private {} pub struct Hidden; } pub struct A; impl a::Private for A {}
                         pub trait B {} impl B for a::Hidden {} impl<T> B for Vec<T> {}");
        assert_eq!(traits, ["front::A: pub struct A", "front::B: impl<T> B for Vec<T>", "front::B: pub trait B"]);
    }

    #[test]
    fn exports_are_followed_through_modules_and_crates() {
        let lines = listed(&[
            ("src/lib.rs", "pub use back::{Pool, sim, stream}; pub mod prelude { pub use crate::{Pool, task}; pub use back::stream::*; }
                            pub use macros::task;"),
            ("back/src/lib.rs", "mod pool; pub use pool::Pool; mod sim; pub use sim::sim; pub mod stream;"),
            ("back/src/pool/mod.rs", "mod inner; pub use self::inner::Inner as Pool;"),
            ("back/src/pool/inner.rs", "pub struct Inner;"),
            ("back/src/sim.rs", "pub fn sim() {}"),
            ("back/src/stream.rs", "pub use super::pool::Pool as Source; pub fn pipe() {}"),
        ]);
        assert_eq!(
            lines.unwrap(),
            [
                "front: mod",
                "front::Pool: pub struct Inner",
                "front::prelude: mod",
                "front::prelude::Pool: pub use front::Pool",
                "front::prelude::Source: pub use front::Pool",
                "front::prelude::pipe: pub use front::stream::pipe",
                "front::prelude::task: pub use macros::task",
                "front::sim: pub fn sim()",
                "front::stream: mod",
                "front::stream::Source: pub use front::Pool",
                "front::stream::pipe: pub fn pipe()",
                "front::task: pub use macros::task",
            ]
        );
    }

    #[test]
    fn items_made_by_a_macro_are_listed() {
        let lines =
            of("macro_rules! error { ($name:ident) => { pub struct $name; impl Error for $name {} }; } error!(Full);");
        assert_eq!(lines, ["front::Full: impl Error for Full", "front::Full: pub struct Full"]);
    }

    #[test]
    fn export_that_leads_nowhere_fails() {
        let back = "struct Pool; mod sim { pub struct Sim; } use sim::Sim;";
        for name in ["Pool", "Sim", "Nothing"] {
            let front = format!("pub use back::{name};");
            let failure = listed(&[("src/lib.rs", &front), ("back/src/lib.rs", back)]).unwrap_err().to_string();
            assert!(failure.contains(&format!("front::{name}: pub use back::{name}")), "{failure}");
        }
    }
}
