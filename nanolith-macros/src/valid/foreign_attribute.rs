//! Rejects attributes of other crates that turn a function into something that cannot be a task,
//! such as `#[test]` and `#[tokio::main]`.

use syn::{Attribute, Meta};

use crate::{ast::Set, attr, mistakes::Mistakes, text};

pub(super) fn check(set: &Set, mistakes: &mut Mistakes) {
    let tasks = set.tasks.iter().map(|task| &task.function);
    let hooks = set.hooks.iter().filter(|hook| !hook.kind.is_in_line()).map(|hook| &hook.function);
    for attribute in tasks.chain(hooks).flat_map(|function| &function.attrs) {
        if let Some((meta, role)) = foreign(attribute) {
            let path = text::of(meta.path());
            let message = match role {
                Role::Main => format!(
                    "`#[{path}]` starts a runtime around the function, and a task needs none to be `async`; \
                        remove the attribute"
                ),
                Role::Test => format!(
                    "`#[{path}]` makes a test of the function, and a test is no task; put it beside the block, in \
                        `#[cfg(test)] mod tests {{ .. }}`"
                ),
            };
            mistakes.at(attribute, message);
        }
    }
}

/// Returns whether an attribute replaces the function that it is on.
pub(crate) fn takes_function(attribute: &Attribute) -> bool {
    foreign(attribute).is_some()
}

/// The item that an attribute makes of a function.
#[derive(Clone, Copy)]
enum Role {
    Main,
    Test,
}

/// Returns the role of an attribute from another crate. It is recognized by the last segment of its
/// path, from any crate, and also within a `cfg_attr`.
fn foreign(attribute: &Attribute) -> Option<(Meta, Role)> {
    let metas = attr::conditional(attribute).map_or_else(|| vec![attribute.meta.clone()], |(_, inner)| inner);
    metas.into_iter().find_map(|meta| {
        let role = match meta.path().segments.last()?.ident.to_string().as_str() {
            "main" => Role::Main,
            "test" | "bench" | "rstest" | "test_case" => Role::Test,
            _ => return None,
        };
        Some((meta, role))
    })
}
