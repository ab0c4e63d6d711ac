//! `cargo xtask floors`: checks that nanolith-core is layered. A floor is a layer of modules; a
//! module imports only from modules of earlier floors.
//!
//! `ARCHITECTURE.md` has the list of floors, one on each line. The modules of one floor may use
//! each other, but not in a cycle. A use is a path in code that starts with `crate`, or with enough
//! `super`s to reach the crate. A path to a name that `lib.rs` exports again counts for the module
//! that defines the name. A path to a name that `lib.rs` itself defines counts for the module
//! `lib`.

use crate::{
    checks::{
        allow::{Finding, Findings, List},
        files,
        source::{Source, sources},
        uses::uses,
    },
    shell::{Failure, Outcome, root},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use syn::{Item, UseTree, Visibility};

const SOURCES: &str = "nanolith-core/src";
const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## The floors of nanolith-core";

/// The module of the file `lib.rs`.
const ROOT: &str = "lib";

/// The pairs of modules of which the first uses the second, each with the position of the first
/// use.
type Graph = BTreeMap<(String, String), String>;

pub(crate) fn run() -> Outcome {
    let root = root();
    let floors = Floors::parse(&files::read(&root, DOCUMENT)?)?;
    let sources = sources(&root, &[SOURCES])?;
    let modules: BTreeSet<String> = sources.iter().map(|source| top_module(&source.path).into()).collect();
    floors.name_all(&modules)?;
    let graph = graph(&sources, &modules);
    println!("{} modules on {} floors, {} pairs of a user and a used", modules.len(), floors.count, graph.len());
    for Cycle { way, members } in cycles(&graph) {
        println!("cycle of {} modules, in which {}", members.len(), way.join(" -> "));
    }
    let list = List {
        name: "floors.txt",
        about: "Uses of a later floor, or in a cycle on one floor: user -> used.",
        slack: 0,
        exists: &|key| key.split(" -> ").all(|module| modules.contains(module)),
    };
    list.hold(&root, &floors.violations(&graph))
}

/// The floor of each module.
struct Floors {
    of: BTreeMap<String, usize>,
    count: usize,
}

impl Floors {
    /// Parses the first block of text below the heading. A line has names with commas between them.
    /// Two spaces start a note.
    fn parse(document: &str) -> Result<Self, Failure> {
        let broken = |what: String| Failure::Rule(format!("{DOCUMENT}, \"{HEADING}\": {what}"));
        let mut lines = document.lines();
        lines.by_ref().find(|line| *line == HEADING).ok_or_else(|| broken("no such heading".into()))?;
        lines.by_ref().find(|line| *line == "```text").ok_or_else(|| broken("no block of text".into()))?;
        let mut floors = Self { of: BTreeMap::new(), count: 0 };
        for line in lines.take_while(|line| !line.starts_with("```")) {
            let names = line.trim().split("  ").next().unwrap_or("");
            for name in names.split(',').map(|name| name.trim().trim_end_matches('/')).filter(|name| !name.is_empty()) {
                if floors.of.insert(name.into(), floors.count).is_some() {
                    return Err(broken(format!("`{name}` stands there twice")));
                }
            }
            floors.count += 1;
        }
        Ok(floors)
    }

    /// Fails unless the list names exactly these modules.
    fn name_all(&self, modules: &BTreeSet<String>) -> Outcome {
        let unnamed = modules.iter().filter(|module| !self.of.contains_key(*module));
        let missing = self.of.keys().filter(|name| !modules.contains(*name));
        let problems: Vec<_> = unnamed
            .map(|module| format!("{DOCUMENT}, \"{HEADING}\": no floor names the module `{module}` of {SOURCES}"))
            .chain(missing.map(|name| format!("{DOCUMENT}, \"{HEADING}\": there is no module `{name}` in {SOURCES}")))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(Failure::Rule(problems.join("\n"))) }
    }

    fn violations(&self, graph: &Graph) -> Findings {
        let level: Vec<_> = graph.keys().filter(|(user, used)| self.of[user] == self.of[used]).cloned().collect();
        let is_wrong = |user: &String, used: &String| match self.of[used].cmp(&self.of[user]) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Greater => Some("of a later floor".into()),
            std::cmp::Ordering::Equal => {
                path(&level, used, user).map(|way| format!("in a cycle: {}", way.join(" -> ")))
            }
        };
        let wrong = graph.iter().filter_map(|((user, used), place)| Some((user, used, place, is_wrong(user, used)?)));
        wrong
            .map(|(user, used, place, why)| {
                let text = format!("{place}: `{user}` uses `{used}`, {why}");
                (format!("{user} -> {used}"), Finding { amount: 1, text })
            })
            .collect()
    }
}

/// Returns the name of the top-level module that a file belongs to.
fn top_module(path: &str) -> &str {
    let below = path.strip_prefix(SOURCES).unwrap_or(path).trim_start_matches('/');
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

/// Returns the depth of a file's module below the crate: 0 for `lib.rs`.
fn depth(path: &str) -> usize {
    let below = path.strip_prefix(SOURCES).unwrap_or(path).trim_start_matches('/');
    match below.rsplit('/').next() {
        Some("lib.rs") => 0,
        Some("mod.rs") => below.matches('/').count(),
        _ => below.matches('/').count() + 1,
    }
}

fn graph(sources: &[Source], modules: &BTreeSet<String>) -> Graph {
    let lib = sources.iter().find(|source| top_module(&source.path) == ROOT);
    let exported = lib.map(|lib| exports(&lib.syntax.items)).unwrap_or_default();
    let mut graph = Graph::new();
    for source in sources {
        let user = top_module(&source.path);
        for (name, line) in uses(&source.syntax, depth(&source.path)) {
            let home = if modules.contains(&name) { Some(&name) } else { exported.get(&name) };
            let used = match home {
                Some(used) => used.as_str(),
                // In `lib.rs` a path may start with the name of another crate.
                None if user == ROOT => continue,
                None => ROOT,
            };
            if used != user {
                let pair = (user.to_owned(), used.to_owned());
                graph.entry(pair).or_insert_with(|| format!("{}:{line}", source.path));
            }
        }
    }
    graph
}

/// Returns the names that `lib.rs` exports again, each with its module.
fn exports(items: &[Item]) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for item in items {
        if let Item::Use(item) = item
            && !matches!(item.vis, Visibility::Inherited)
            && let UseTree::Path(path) = &item.tree
        {
            collect(&path.tree, &path.ident.to_string(), &mut names);
        }
    }
    names
}

fn collect(tree: &UseTree, module: &str, names: &mut BTreeMap<String, String>) {
    match tree {
        UseTree::Path(path) => collect(&path.tree, module, names),
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, module, names)),
        UseTree::Name(name) => _ = names.insert(name.ident.to_string(), module.into()),
        UseTree::Rename(rename) => _ = names.insert(rename.rename.to_string(), module.into()),
        UseTree::Glob(_) => {}
    }
}

/// A cycle: modules that can all reach each other.
struct Cycle {
    /// A shortest path through the cycle, from a module back to itself.
    way: Vec<String>,
    members: BTreeSet<String>,
}

/// Returns the cycles. No two of them have a module in common.
fn cycles(graph: &Graph) -> Vec<Cycle> {
    let pairs: Vec<_> = graph.keys().cloned().collect();
    let mut cycles: Vec<Cycle> = Vec::new();
    for (user, used) in &pairs {
        if cycles.iter().any(|cycle| cycle.members.contains(user)) {
            continue;
        }
        if let Some(mut way) = path(&pairs, used, user) {
            way.insert(0, user.clone());
            let modules = pairs.iter().map(|(module, _)| module);
            let together = modules.filter(|m| path(&pairs, user, m).is_some() && path(&pairs, m, user).is_some());
            let members = together.cloned().collect();
            cycles.push(Cycle { way, members });
        }
    }
    cycles
}

/// Returns a shortest path from one module to another, with both ends.
fn path(pairs: &[(String, String)], from: &str, to: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at == to {
            let mut way = vec![at.to_owned()];
            let mut at = at;
            while at != from {
                at = before[at];
                way.push(at.to_owned());
            }
            way.reverse();
            return Some(way);
        }
        for (_, next) in pairs.iter().filter(|(user, _)| user == at) {
            if next != from && !before.contains_key(next.as_str()) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::source::parse;

    fn floors(list: &str) -> Floors {
        Floors::parse(&format!("# A\n\n{HEADING}\n\nText.\n\n```text\n{list}\n```\n\n```text\nno\n```\n")).unwrap()
    }

    fn graph_of(files: &[(&str, &str)]) -> Graph {
        let parsed = files.iter().map(|(path, text)| parse((*text).into(), format!("{SOURCES}/{path}")).unwrap());
        let sources: Vec<_> = parsed.collect();
        let modules = sources.iter().map(|source| top_module(&source.path).into()).collect();
        graph(&sources, &modules)
    }

    fn pairs(graph: &Graph) -> Vec<String> {
        graph.keys().map(|(user, used)| format!("{user} -> {used}")).collect()
    }

    #[test]
    fn floor_is_a_line_of_names() {
        let floors = floors("clock, id/, wake/   pure data, so far\ncall\nlib");
        assert_eq!((floors.of["clock"], floors.of["wake"], floors.of["call"], floors.count), (0, 0, 1, 3));
        assert_eq!(floors.of.len(), 5);
    }

    #[test]
    fn module_without_a_floor_and_unknown_name_fail() {
        let modules = BTreeSet::from(["call".into(), "wake".into()]);
        assert!(floors("call\nwake").name_all(&modules).is_ok());
        let failure = floors("call\nwait").name_all(&modules).unwrap_err().to_string();
        assert!(failure.contains("no floor names the module `wake`"), "{failure}");
        assert!(failure.contains("there is no module `wait`"), "{failure}");
    }

    #[test]
    fn document_without_the_list_fails() {
        assert!(Floors::parse("# A\n").is_err());
        assert!(Floors::parse(&format!("{HEADING}\n")).is_err());
        assert!(Floors::parse(&format!("{HEADING}\n```text\na, b, a\n```")).is_err());
    }

    #[test]
    fn use_counts_for_the_module_that_defines_the_name() {
        let graph = graph_of(&[
            ("lib.rs", "mod call; pub use call::{Handle, slot::Slot as Cell}; fn run() { pool::start() }"),
            ("call/slot.rs", ""),
            ("pool.rs", "use crate::{Handle, Cell}; fn f() { crate::run() }"),
            ("task/mod.rs", "use super::pool::Pool; mod a { use super::super::call::X; use super::b; }"),
            ("task/b.rs", "use super::call; use std::call;"),
        ]);
        assert_eq!(pairs(&graph), ["lib -> pool", "pool -> call", "pool -> lib", "task -> call", "task -> pool"]);
    }

    #[test]
    fn use_of_a_later_floor_is_a_violation_with_its_line() {
        let graph = graph_of(&[("a.rs", "\nuse crate::b::B;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;")]);
        let violations = floors("a\nc, d\nb").violations(&graph);
        assert_eq!(violations.keys().collect::<Vec<_>>(), ["a -> b"]);
        assert_eq!(violations["a -> b"].text, "nanolith-core/src/a.rs:2: `a` uses `b`, of a later floor");
    }

    #[test]
    fn only_a_cycle_is_a_violation_on_one_floor() {
        let graph =
            graph_of(&[("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::{b, a::A};")]);
        let violations = floors("a, b, c").violations(&graph);
        assert_eq!(violations.keys().collect::<Vec<_>>(), ["a -> b", "b -> c", "c -> a", "c -> b"]);
        assert!(violations["c -> a"].text.ends_with("in a cycle: a -> b -> c"), "{}", violations["c -> a"].text);
        assert!(floors("c\na, b").violations(&graph_of(&[("a.rs", "use crate::b;"), ("b.rs", "")])).is_empty());
    }

    #[test]
    fn each_cycle_of_modules_is_shown_once() {
        let graph = graph_of(&[
            ("a.rs", "use crate::b;"),
            ("b.rs", "use crate::{a, c};"),
            ("c.rs", "use crate::d;"),
            ("d.rs", "use crate::c;"),
        ]);
        let cycles: Vec<_> =
            cycles(&graph).into_iter().map(|cycle| (cycle.way.join(" "), cycle.members.len())).collect();
        assert_eq!(cycles, [("a b a".into(), 2), ("c d c".into(), 2)]);
    }
}
