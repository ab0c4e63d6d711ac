//! [`Part`]: the parsed output of callgrind, which is the number of instructions that a thread ran
//! between two marks, in all and within each function.
//!
//! It reads the format without abbreviations of names and lines (`--compress-strings=no
//! --compress-pos=no`).

use std::collections::BTreeMap;

/// The instructions of one thread since the previous mark.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The function that is the mark. It is empty for the instructions after the last mark.
    pub(crate) mark: String,
    pub(crate) total: u64,
    functions: BTreeMap<String, Spent>,
}

/// The instructions within a function and the functions that it called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) calls: u64,
    pub(crate) instructions: u64,
}

impl Part {
    /// Parses one file, and ignores functions that are not ours.
    pub(crate) fn parse(text: &str) -> Self {
        let mut part = Self::default();
        let mut callee = "";
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(mark) = line.strip_prefix("desc: Trigger: --dump-before=") {
                mark.trim().clone_into(&mut part.mark);
            } else if let Some(total) = line.strip_prefix("summary:") {
                part.total = number(total.split_whitespace().next());
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = name.trim();
            } else if let Some(calls) = line.strip_prefix("calls=") {
                // The next line has the position of the calls and their cost.
                let cost = lines.next().and_then(|line| line.split_whitespace().last());
                let spent = part.functions.entry(callee.into()).or_default();
                spent.calls += number(calls.split_whitespace().next());
                spent.instructions += number(cost);
            }
        }
        part
    }

    /// Returns the cost of the function of this name, in any module of its crate.
    pub(crate) fn spent_in(&self, function: &str) -> Option<Spent> {
        let named = |name: &str| last_of(name) == function;
        self.functions.iter().find(|(name, spent)| named(name) && spent.calls > 0).map(|(_, spent)| *spent)
    }

    /// Whether the part ends at this function.
    pub(crate) fn ends_at(&self, function: &str) -> bool {
        last_of(&self.mark) == function
    }
}

/// Returns the last segment of a path.
fn last_of(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# callgrind format
version: 1
part: 12
thread: 1

desc: Timerange: Basic block 253337 - 282171
desc: Trigger: --dump-before=counted::end_of_round

positions: line
events: Ir
summary: 5000

ob=/there/counted
fl=main.rs
fn=counted::call_service
60 120
cfi=main.rs
cfn=counted::submit_to_service
calls=200 112
61 2000
cfn=counted::Sums::add
calls=3 9
61 30
62 7

fn=counted::main
cfn=counted::submit_to_service
calls=56 112
90 560
cfn=core::was_entered_before
calls=0 1
91 77

totals: 5000
";

    #[test]
    fn part_ends_at_its_mark() {
        let part = Part::parse(FILE);
        assert_eq!((part.total, &*part.mark), (5000, "counted::end_of_round"));
        assert!(part.ends_at("end_of_round"));
        assert!(!part.ends_at("round"));
        assert_eq!(Part::parse("desc: Trigger: Program termination\n").mark, "");
    }

    #[test]
    fn cost_of_a_function_is_summed_over_its_callers() {
        let part = Part::parse(FILE);
        assert_eq!(part.spent_in("submit_to_service"), Some(Spent { calls: 256, instructions: 2560 }));
        assert_eq!(part.spent_in("add"), Some(Spent { calls: 3, instructions: 30 }));
    }

    #[test]
    fn uncalled_function_costs_nothing() {
        let part = Part::parse(FILE);
        assert_eq!(part.spent_in("service"), None, "a part of a name is another name");
        assert_eq!(part.spent_in("was_entered_before"), None);
        assert_eq!(Part::parse("summary: none\ncalls="), Part::parse("cfn=\ncalls="));
    }
}
