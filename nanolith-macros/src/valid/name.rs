//! Checks for names that clash: two tasks, a task and an executor's method, or a user's item and a
//! generated item.

use syn::ext::IdentExt;

use crate::{
    ast::{Set, Task},
    mistakes::Mistakes,
    names,
};

pub(super) fn check(set: &mut Set, mistakes: &mut Mistakes) {
    for position in 0..set.tasks.len() {
        let (earlier, later) = set.tasks.split_at_mut(position);
        let [task, ..] = later else { break };
        if task.hook.is_none() {
            refuse_hidden(task, mistakes);
        }
        if let Some(earlier) = earlier.iter().find(|earlier| clash(earlier, task)) {
            task.is_twin = true;
            refuse_twin(earlier, task, mistakes);
        }
    }
    refuse_generated(set, mistakes);
}

fn refuse_hidden(task: &Task, mistakes: &mut Mistakes) {
    if let Some(by) = names::hidden_by(task.name()) {
        let name = task.name();
        let message = format!(
            "a task `{name}` would be hidden by {by}; give it another name, `#[task(name = {}_task)]`",
            name.unraw()
        );
        mistakes.at(name, message);
    }
}

/// Returns whether two tasks clash. Two functions under a `cfg` each do not, since their conditions
/// may exclude each other.
fn clash(earlier: &Task, task: &Task) -> bool {
    earlier.variant == task.variant && (earlier.cfgs().is_empty() || task.cfgs().is_empty())
}

fn refuse_twin(earlier: &Task, task: &Task, mistakes: &mut Mistakes) {
    let (first, second, variant) = (earlier.name(), task.name(), &task.variant);
    let (why, other) = if earlier.plain_name() == task.plain_name() {
        (
            format!("a second task `{second}`; name one of them by `#[task(name = ..)]`"),
            format!("the first `{first}` is here"),
        )
    } else {
        (
            format!(
                "`{first}` and `{second}` both become the variant `{variant}`; name one of them by \
                    `#[task(name = ..)]`"
            ),
            format!("`{first}` becomes `{variant}` too"),
        )
    };
    mistakes.clash(first, second, why, other);
}

/// Refuses the names of the items that `#[define]` adds beside the user's items.
fn refuse_generated(set: &Set, mistakes: &mut Mistakes) {
    let functions = functions(set);
    let types = types(set);
    for defined in set.form.defined() {
        let name = defined.unraw().to_string();
        if functions.contains(&name.as_str()) {
            mistakes.at(&defined, format!("`#[define]` adds a function `{name}` here; give this one another name"));
        } else if types.contains(&name) {
            let message = format!(
                "`#[define]` adds a type `{name}` here; give this one another name, or those a prefix by \
                    `#[define(name = ..)]`"
            );
            mistakes.at(&defined, message);
        }
    }
}

fn functions(set: &Set) -> Vec<&'static str> {
    let shared = set.is_shared().then_some("shared");
    ["tasks", "on", "service"].into_iter().chain(shared).collect()
}

/// Returns the names of the generated types that the macro can compare with the user's items. It
/// sees those items only in a module.
fn types(set: &Set) -> Vec<String> {
    match set.is_module() {
        true => ["Tasks", "Task", "Output", "Calls"].map(|suffix| set.type_name(suffix).to_string()).into(),
        false => Vec::new(),
    }
}
