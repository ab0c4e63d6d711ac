//! `cargo xtask length`: checks that no file has more than 400 lines and no function more than 60.
//! Tests do not count.

use crate::{
    checks::{
        allow::{Finding, Findings, List},
        source::{Source, attributes, impl_attributes, is_test, sources},
    },
    shell::{Outcome, root},
};
use syn::{
    Block, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, ItemTrait, Signature, TraitItemFn, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

const MAX_FILE: usize = 400;
const MAX_FUNCTION: usize = 60;

/// How far a number in the list may exceed the length, so that a slightly shorter file does not
/// change the list.
const SLACK: usize = 20;

/// The folders whose files are checked.
const FOLDERS: &[&str] = &[
    "src",
    "nanolith-core/src",
    "nanolith-macros/src",
    "nanolith-process/src",
    "nanolith-process/examples",
    "xtask/src",
    "benches",
    "examples",
];

pub(crate) fn run() -> Outcome {
    let root = root();
    let sources = sources(&root, FOLDERS)?;
    let list = List {
        name: "length.txt",
        about: "Lines of the files above 400, and of the functions above 60.",
        slack: SLACK,
        exists: &|key| root.join(key.split(' ').next().unwrap_or(key)).exists(),
    };
    println!("{} files; at most {MAX_FILE} lines, and {MAX_FUNCTION} a function", sources.len());
    list.hold(&root, &sources.iter().flat_map(too_long).collect())
}

/// Returns the file if it is too long, and its functions that are too long.
fn too_long(source: &Source) -> Findings {
    let path = &source.path;
    let mut lengths = Lengths { path, owner: String::new(), test_lines: 0, findings: Findings::new() };
    lengths.visit_file(&source.syntax);
    let amount = source.text.lines().count() - lengths.test_lines;
    let mut findings = lengths.findings;
    if amount > MAX_FILE {
        let text = format!("{path}: {amount} lines, more than {MAX_FILE}");
        findings.insert(path.clone(), Finding { amount, text });
    }
    findings
}

/// A visitor that finds functions, and the lines of tests.
struct Lengths<'a> {
    path: &'a str,
    /// The type or trait whose functions are visited.
    owner: String,
    test_lines: usize,
    findings: Findings,
}

impl Lengths<'_> {
    fn function(&mut self, signature: &Signature, body: &Block) {
        let start = signature.span().start().line;
        let amount = lines(start, body.span().end().line);
        if amount <= MAX_FUNCTION {
            return;
        }
        let Self { path, owner, .. } = self;
        let key = format!("{path} {owner}{}", signature.ident);
        let text = format!("{path}:{start}: `{owner}{}` has {amount} lines, more than {MAX_FUNCTION}", signature.ident);
        let longer = Finding { amount, text };
        // Functions may share a name, for example one for each platform. The longest counts for
        // all.
        let found = self.findings.entry(key).or_insert_with(|| longer.clone());
        if found.amount < amount {
            *found = longer;
        }
    }

    fn within(&mut self, owner: String, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            return visit::visit_item(self, item);
        }
        let span = item.span();
        self.test_lines += lines(span.start().line, span.end().line);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !is_test(impl_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let owner = format!("{}{}::", self.owner, module.ident);
        self.within(owner, |lengths| visit::visit_item_mod(lengths, module));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let owner = format!("{}::", name_of(&item.self_ty));
        self.within(owner, |lengths| visit::visit_item_impl(lengths, item));
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        let owner = format!("{}::", item.ident);
        self.within(owner, |lengths| visit::visit_item_trait(lengths, item));
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

fn lines(first: usize, last: usize) -> usize {
    last - first + 1
}

/// Returns the last name of a type's path.
fn name_of(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default(),
        Type::Reference(reference) => name_of(&reference.elem),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::source::parse;

    fn found(text: &str) -> Vec<(String, usize)> {
        let source = parse(text.into(), "a.rs".into()).unwrap();
        too_long(&source).into_iter().map(|(key, finding)| (key, finding.amount)).collect()
    }

    /// Returns the text of a function with this number of lines.
    fn function(name: &str, lines: usize) -> String {
        format!("/// Documented.\n#[inline]\nfn {name}() {{\n{}}}\n", "    f();\n".repeat(lines - 2))
    }

    #[test]
    fn function_counts_from_fn_to_its_brace() {
        assert_eq!(found(&function("long", MAX_FUNCTION)), []);
        assert_eq!(found(&function("long", MAX_FUNCTION + 1)), [("a.rs long".into(), 61)]);
    }

    #[test]
    fn method_is_named_with_its_type() {
        let method = function("long", 70);
        let text =
            format!("impl<T> Display for a::Pool<T> {{ {method} }}\ntrait Run {{ {method} }}\nmod a {{ {method} }}");
        assert_eq!(
            found(&text),
            [("a.rs Pool::long".into(), 70), ("a.rs Run::long".into(), 70), ("a.rs a::long".into(), 70)]
        );
    }

    #[test]
    fn nested_function_counts_too() {
        let text = format!("fn outer() {{ {} }}", function("inner", 70));
        assert_eq!(found(&text), [("a.rs inner".into(), 70), ("a.rs outer".into(), 73)]);
    }

    #[test]
    fn file_counts_all_lines_except_its_tests() {
        let text = "// line\n".repeat(MAX_FILE);
        assert_eq!(found(&text), []);
        assert_eq!(found(&format!("{text}fn f() {{}}\n")), [("a.rs".into(), 401)]);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function("long", 90));
        assert_eq!(found(&format!("{text}{tests}")), []);
        assert_eq!(found(&format!("{text}fn f() {{}}\n{tests}")), [("a.rs".into(), 401)]);
    }
}
