//! [`Crates`]: the crates of the API listing as trees of modules, and the resolution of the names
//! in them.

use super::expand::{expand, expand_in_impl};
use crate::{
    checks::source::{Source, attributes},
    shell::Failure,
};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::{Attribute, ImplItem, Item, ItemImpl, Macro, Meta, UseTree, Visibility};

/// The modules by path, such as `nanolith_core::pool`, with their items under all features.
pub(crate) struct Crates {
    modules: BTreeMap<String, Module>,
}

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) items: Vec<Item>,
    pub(crate) uses: Vec<Use>,
}

/// One name that a `use` imports, or all names of a module.
pub(crate) struct Use {
    /// The name in the importing module; `None` for a glob.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    pub(crate) is_public: bool,
    pub(crate) is_hidden: bool,
}

/// An item: its module, and its index in that module. A module is an item of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Definition {
    Module(String),
    Item(String, usize),
}

/// The rules of each macro by its name, with the module of each definition.
type Macros = BTreeMap<String, Vec<(String, TokenStream)>>;

/// Returns the rules of the macro that is called: those of the calling module, if it has any.
fn definition<'m>(macros: &'m Macros, path: &str, call: &Macro) -> Option<&'m TokenStream> {
    let known = macros.get(&call.path.segments.last()?.ident.to_string())?;
    known.iter().find(|(module, _)| module == path).or(known.first()).map(|(_, rules)| rules)
}

/// Replaces the macro calls in the block by the methods that they generate.
fn expand_methods(block: &mut ItemImpl, path: &str, macros: &Macros) {
    let expand = |item: ImplItem| match item {
        ImplItem::Macro(call) => definition(macros, path, &call.mac)
            .and_then(|rules| expand_in_impl(rules, &call.mac.tokens))
            .unwrap_or_else(|| vec![ImplItem::Macro(call)]),
        item => vec![item],
    };
    block.items = std::mem::take(&mut block.items).into_iter().flat_map(expand).collect();
}

impl Crates {
    /// Parses the crates of these sources. Each crate has its name and the folder of its sources.
    pub(crate) fn new(sources: Vec<Source>, crates: &[(&str, &str)]) -> Result<Self, Failure> {
        let mut files = Vec::new();
        let mut macros = Macros::new();
        for source in sources {
            let inside = |(name, folder): &(&str, &str)| module_path(&source.path, name, folder);
            let path = crates.iter().find_map(inside);
            let path = path.ok_or_else(|| Failure::Rule(format!("{} is of no crate", source.path)))?;
            for item in &source.syntax.items {
                if let Item::Macro(defined) = item
                    && let Some(name) = &defined.ident
                {
                    macros.entry(name.to_string()).or_default().push((path.clone(), defined.mac.tokens.clone()));
                }
            }
            files.push((path, source.syntax.items));
        }
        let mut crates = Self { modules: BTreeMap::new() };
        for (path, items) in files {
            crates.add(&path, items, &macros);
        }
        Ok(crates)
    }

    fn add(&mut self, path: &str, items: Vec<Item>, macros: &Macros) {
        self.modules.entry(path.into()).or_default();
        for item in items {
            if !is_there(attributes(&item)) {
                continue;
            }
            match item {
                Item::Use(item) => {
                    let (is_public, is_hidden) = (is_public(&item.vis), is_hidden(&item.attrs));
                    let mut leaves = Vec::new();
                    flatten(&item.tree, &[], &mut leaves);
                    let leaves = leaves.into_iter();
                    self.module(path).uses.extend(leaves.map(|(name, path)| Use { name, path, is_public, is_hidden }));
                }
                Item::Macro(call) if call.ident.is_none() => {
                    let made = definition(macros, path, &call.mac).and_then(|rules| expand(rules, &call.mac.tokens));
                    self.add(path, made.unwrap_or_default(), macros);
                }
                Item::Impl(mut block) => {
                    expand_methods(&mut block, path, macros);
                    self.module(path).items.push(Item::Impl(block));
                }
                Item::Mod(mut module) => {
                    if let Some((_, items)) = module.content.take() {
                        self.add(&format!("{path}::{}", module.ident), items, macros);
                    }
                    self.module(path).items.push(Item::Mod(module));
                }
                item => self.module(path).items.push(item),
            }
        }
    }

    fn module(&mut self, path: &str) -> &mut Module {
        self.modules.entry(path.into()).or_default()
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Module> {
        self.modules.get(path)
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = (&String, &Module)> {
        self.modules.iter()
    }

    pub(crate) fn item(&self, definition: &Definition) -> Option<&Item> {
        match definition {
            Definition::Item(module, at) => self.modules.get(module)?.items.get(*at),
            Definition::Module(_) => None,
        }
    }

    /// Returns the items that a path means in a module. A module, a type and a function may share a
    /// name. Returns nothing for a name of another crate.
    pub(crate) fn resolve(&self, module: &str, path: &[String]) -> Vec<Definition> {
        self.resolve_once(module, path, &mut BTreeSet::new())
    }

    /// Resolves a path, except for the paths in `seen`: a path that leads to itself has no result.
    fn resolve_once(
        &self,
        module: &str,
        path: &[String],
        seen: &mut BTreeSet<(String, Vec<String>)>,
    ) -> Vec<Definition> {
        let this = (module.to_owned(), path.to_vec());
        if !seen.insert(this.clone()) {
            return Vec::new();
        }
        let found = self.resolve_steps(module, path, seen);
        seen.remove(&this);
        found
    }

    fn resolve_steps(
        &self,
        module: &str,
        path: &[String],
        seen: &mut BTreeSet<(String, Vec<String>)>,
    ) -> Vec<Definition> {
        let Some((first, rest)) = path.split_first() else { return vec![Definition::Module(module.into())] };
        let root = module.split("::").next().unwrap_or(module);
        let begin = match first.as_str() {
            "crate" => vec![Definition::Module(root.into())],
            "self" => vec![Definition::Module(module.into())],
            "super" => vec![Definition::Module(module.rsplit_once("::").map_or(module, |(above, _)| above).into())],
            name => match self.lookup(module, name, module, seen) {
                found if found.is_empty() && self.modules.contains_key(name) => vec![Definition::Module(name.into())],
                found => found,
            },
        };
        let step = |from: Vec<Definition>, name: &String, seen: &mut _| -> Vec<Definition> {
            let inner = from.iter().filter_map(|definition| match (definition, name.as_str()) {
                (Definition::Module(within), "super") => Some((within.rsplit_once("::")?.0, None)),
                (Definition::Module(within), name) => Some((within.as_str(), Some(name))),
                (Definition::Item(..), _) => None,
            });
            let found = inner.flat_map(|(within, name)| match name {
                Some(name) => self.lookup(within, name, module, seen),
                None => vec![Definition::Module(within.into())],
            });
            found.collect()
        };
        rest.iter().fold(begin, |from, name| step(from, name, seen))
    }

    /// Returns the items that a name means in a module, if they are visible from the module `from`.
    fn lookup(
        &self,
        module: &str,
        name: &str,
        from: &str,
        seen: &mut BTreeSet<(String, Vec<String>)>,
    ) -> Vec<Definition> {
        let Some(inside) = self.modules.get(module) else { return Vec::new() };
        let is_foreign = module.split("::").next() != from.split("::").next();
        let mut found = Vec::new();
        for (at, item) in inside.items.iter().enumerate() {
            let Some((defined, visibility)) = name_of(item) else { continue };
            if defined != name || is_foreign && !is_public(visibility) {
                continue;
            }
            found.push(match item {
                Item::Mod(_) => Definition::Module(format!("{module}::{name}")),
                _ => Definition::Item(module.into(), at),
            });
        }
        for used in inside.uses.iter().filter(|used| used.is_public || !is_foreign) {
            match &used.name {
                Some(known) if known == name => {
                    let definitions = self.resolve_once(module, &used.path, seen);
                    found.extend(definitions.into_iter().filter(|it| !used.is_public || self.is_exportable(it)));
                }
                None if found.is_empty() => {
                    let path: Vec<String> = used.path.iter().cloned().chain([name.to_owned()]).collect();
                    found.extend(self.resolve_once(module, &path, seen));
                }
                _ => {}
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Returns the path in another crate that a path means in a module.
    pub(crate) fn foreign(&self, module: &str, path: &[String]) -> Option<Vec<String>> {
        let (name, before) = path.split_last()?;
        let first = before.first()?;
        if self.resolve(module, std::slice::from_ref(first)).is_empty() {
            return Some(path.into());
        }
        let within = self.resolve(module, before).into_iter().find_map(|definition| match definition {
            Definition::Module(within) => Some(within),
            Definition::Item(..) => None,
        })?;
        let used = self.modules.get(&within)?.uses.iter().find(|used| used.name.as_ref() == Some(name))?;
        self.foreign(&within, &used.path)
    }

    /// Whether a `pub use` can export the item again: the item itself is `pub`.
    pub(crate) fn is_exportable(&self, definition: &Definition) -> bool {
        let (module, name) = match definition {
            Definition::Item(..) => {
                return self.item(definition).and_then(name_of).is_some_and(|(_, visibility)| is_public(visibility));
            }
            Definition::Module(path) => match path.rsplit_once("::") {
                Some(parts) => parts,
                None => return true,
            },
        };
        let items = self.modules.get(module).map_or(&[][..], |module| &module.items);
        items.iter().any(|item| matches!(item, Item::Mod(found) if found.ident == name && is_public(&found.vis)))
    }
}

/// Returns the module path of a file, if the file is below the folder.
fn module_path(file: &str, name: &str, folder: &str) -> Option<String> {
    let below = file.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let parts = below.split('/').filter(|part| !matches!(*part, "mod" | "lib"));
    Some([name].into_iter().chain(parts).collect::<Vec<_>>().join("::"))
}

fn flatten(tree: &UseTree, before: &[String], leaves: &mut Vec<(Option<String>, Vec<String>)>) {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(path.ident.to_string()), leaves),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, leaves)),
        UseTree::Name(name) if name.ident == "self" => leaves.push((before.last().cloned(), before.into())),
        UseTree::Name(name) => leaves.push((Some(name.ident.to_string()), with(name.ident.to_string()))),
        UseTree::Rename(rename) => leaves.push((Some(rename.rename.to_string()), with(rename.ident.to_string()))),
        UseTree::Glob(_) => leaves.push((None, before.into())),
    }
}

pub(crate) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether rustdoc hides the item.
pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
        _ => false,
    })
}

/// Whether an item with these attributes exists in a user's build with all features.
pub(crate) fn is_there(attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => holds(list.tokens.clone()),
        _ => true,
    })
}

/// Whether a condition holds. Features and platform conditions hold; conditions for tests do not.
fn holds(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word), TokenTree::Group(group)] => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ',');
            let mut parts = inner.split(is_comma).filter(|part| !part.is_empty());
            let each = |part: &[TokenTree]| holds(part.iter().cloned().collect());
            match word.to_string().as_str() {
                "all" => parts.all(each),
                "any" => parts.any(each),
                "not" => !parts.all(each),
                _ => true,
            }
        }
        [TokenTree::Ident(word)] => !["test", "loom", "miri", "doctest"].contains(&word.to_string().as_str()),
        _ => true,
    }
}

/// Returns the name of an item that a path can name.
pub(crate) fn name_of(item: &Item) -> Option<(String, &Visibility)> {
    let (name, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Mod(item) => (&item.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((name.to_string(), visibility))
}
