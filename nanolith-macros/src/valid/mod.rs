//! Checks a `#[define]` block and refuses what cannot work. All mistakes are collected, and each
//! message says what to write instead.

mod advice;
mod foreign_attribute;
mod hook;
mod name;
mod place;
mod signature;
#[cfg(test)]
mod tests;
mod ty;

pub(crate) use foreign_attribute::takes_function;
pub(crate) use place::form;
pub(crate) use signature::{advised, is_refused, is_refused_by_the_compiler};

use crate::{
    ast::{Form, Receiver, Set},
    attr::HookKind,
    mistakes::Mistakes,
    text,
};

/// Checks all of a set, and marks the tasks that are sound.
pub(crate) fn check(set: &mut Set, mistakes: &mut Mistakes) {
    for task in &mut set.tasks {
        let before = mistakes.count();
        signature::check(task, mistakes);
        task.sound = mistakes.count() == before;
    }
    foreign_attribute::check(set, mistakes);
    hook::check(set, mistakes);
    name::check(set, mistakes);
    refuse_no_task(set, mistakes);
    refuse_vain_shared(set, mistakes);
    refuse_vain_inbox(set, mistakes);
}

fn refuse_no_task(set: &Set, mistakes: &mut Mistakes) {
    if !set.tasks.is_empty() {
        return;
    }
    let message = "no task here: tasks are the functions with a visibility; add `pub` to one, or `#[task]`";
    match &set.form {
        Form::Impl(item) => mistakes.at(&item.self_ty, message),
        Form::Module(item) => mistakes.at(&item.ident, message),
    }
}

/// Refuses an `inbox` without an `#[on_message]` that handles its messages.
fn refuse_vain_inbox(set: &Set, mistakes: &mut Mistakes) {
    let Some(inbox) = &set.options.inbox else { return };
    if set.in_line(HookKind::OnMessage).is_none() {
        let message = text::of(inbox);
        let state = if set.is_module() { "" } else { "&mut self, " };
        mistakes.at(
            inbox,
            format!(
                "`inbox` says what a service hears, and nothing here hears it; add \
                `#[on_message] fn on_message({state}message: {message}) {{ .. }}`"
            ),
        );
    }
}

/// Refuses `shared` for a set without a state, or without a task that uses the state.
fn refuse_vain_shared(set: &Set, mistakes: &mut Mistakes) {
    let Some(shared) = &set.options.shared else { return };
    let mut receivers = set.callable().map(|task| task.function.receiver());
    if set.is_module() {
        mistakes.at(shared, "a module has no state to share; use `#[define(shared)] impl Type { .. }`");
    } else if !receivers.any(|receiver| receiver == Receiver::Shared) {
        mistakes.at(shared, "`shared` shares a state, and no task takes `&self`; remove it");
    }
}
