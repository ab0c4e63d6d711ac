//! [`List`]: an allow-list in `xtask/allow`, which names the present findings of a check that pass.
//! A list only shrinks.
//!
//! A line is `KEY` or `NUMBER KEY`. A finding fails if the list lacks it or has a smaller number. A
//! line fails if no finding needs it. `NANOLITH_ALLOW=update` rewrites a list and never raises a
//! number. It follows moved files: new keys replace keys that are gone, as long as their sum does
//! not grow. A list that does not exist is written whole.

use crate::{
    checks::files,
    shell::{Failure, Outcome},
};
use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

/// A list, and what its check defines for it.
pub(crate) struct List<'a> {
    /// The name of the file in `xtask/allow`.
    pub(crate) name: &'static str,
    /// What a line allows, in a few words, for the head of the file.
    pub(crate) about: &'static str,
    /// How far a line's number may exceed the amount of the finding.
    pub(crate) slack: usize,
    /// Whether the file or the module of a key exists.
    pub(crate) exists: &'a dyn Fn(&str) -> bool,
}

/// A finding of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The size of the finding; 1 for a finding that has no size.
    pub(crate) amount: usize,
    /// The mistake, and its position.
    pub(crate) text: String,
}

pub(crate) type Findings = BTreeMap<String, Finding>;

type Entries = BTreeMap<String, usize>;

impl List<'_> {
    /// Compares the findings with the list. Updates the list first if `NANOLITH_ALLOW` is `update`.
    pub(crate) fn hold(&self, root: &Path, findings: &Findings) -> Outcome {
        let path = format!("xtask/allow/{}", self.name);
        let exists = root.join(&path).exists();
        let mut entries = if exists { parse(&path, &files::read(root, &path)?)? } else { Entries::new() };
        if env::var_os("NANOLITH_ALLOW").is_some_and(|word| word == "update") {
            entries = if exists { self.updated(&entries, findings) } else { amounts(findings) };
            fs::write(root.join(&path), self.render(&entries))
                .map_err(|source| Failure::NotRun { line: format!("write {path}"), source })?;
        }
        let problems = self.problems(&path, &entries, findings);
        let total: usize = entries.values().sum();
        println!("{}: {} lines, {total} in all", path, entries.len());
        if problems.is_empty() {
            return Ok(());
        }
        let hint = "`NANOLITH_ALLOW=update` lowers and removes lines that allow too much; it lets pass nothing new";
        Err(Failure::Rule(format!("{}\n{hint}", problems.join("\n"))))
    }

    fn problems(&self, path: &str, entries: &Entries, findings: &Findings) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, Finding { amount, text }) in findings {
            match entries.get(key) {
                None => problems.push(text.clone()),
                Some(allowed) if amount > allowed => problems.push(format!("{text} ({path} allows {allowed})")),
                Some(allowed) if *allowed > amount + self.slack => {
                    problems.push(format!("{path}: {allowed} {key}: lower it to {amount}"));
                }
                Some(_) => {}
            }
        }
        let unused = entries.keys().filter(|key| !findings.contains_key(*key));
        problems.extend(unused.map(|key| format!("{path}: {key}: remove this line, nothing needs it")));
        problems
    }

    /// Returns the list without needless lines. A new key may replace a key whose file is gone.
    fn updated(&self, entries: &Entries, findings: &Findings) -> Entries {
        let lowered = |(key, allowed): (&String, &usize)| {
            let amount = findings.get(key)?.amount;
            let number = if *allowed > amount + self.slack { amount } else { *allowed };
            Some((key.clone(), number))
        };
        let mut updated: Entries = entries.iter().filter_map(lowered).collect();
        let gone: usize = entries.iter().filter(|(key, _)| !(self.exists)(key)).map(|(_, number)| number).sum();
        let new: Entries = amounts(findings).into_iter().filter(|(key, _)| !entries.contains_key(key)).collect();
        if new.values().sum::<usize>() <= gone {
            updated.extend(new);
        }
        updated
    }

    fn render(&self, entries: &Entries) -> String {
        let counted = entries.values().any(|number| *number != 1);
        let mut text = format!("# {}\n# This list only shrinks: see xtask/src/checks/allow.rs.\n", self.about);
        for (key, number) in entries {
            let _ = if counted { writeln!(text, "{number} {key}") } else { writeln!(text, "{key}") };
        }
        text
    }
}

fn amounts(findings: &Findings) -> Entries {
    findings.iter().map(|(key, finding)| (key.clone(), finding.amount)).collect()
}

fn parse(path: &str, text: &str) -> Result<Entries, Failure> {
    let mut entries = Entries::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let numbered = line.split_once(' ').and_then(|(number, key)| Some((key.trim(), number.parse().ok()?)));
        let (key, number) = numbered.unwrap_or((line, 1));
        if entries.insert(key.into(), number).is_some() {
            return Err(Failure::Rule(format!("{path}: {key} stands there twice")));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(exists: &dyn Fn(&str) -> bool) -> List<'_> {
        List { name: "test.txt", about: "a test", slack: 2, exists }
    }

    fn entries(lines: &str) -> Entries {
        parse("test.txt", lines).unwrap()
    }

    fn findings(of: &[(&str, usize)]) -> Findings {
        of.iter()
            .map(|(key, amount)| ((*key).into(), Finding { amount: *amount, text: format!("{key} has {amount}") }))
            .collect()
    }

    fn problems(lines: &str, of: &[(&str, usize)]) -> Vec<String> {
        list(&|_| true).problems("test.txt", &entries(lines), &findings(of))
    }

    #[test]
    fn finding_within_its_number_passes() {
        assert!(problems("7 a.rs\n9 b.rs", &[("a.rs", 7), ("b.rs", 7)]).is_empty());
        assert!(problems("a -> b", &[("a -> b", 1)]).is_empty());
    }

    #[test]
    fn finding_without_a_line_or_above_it_fails() {
        assert_eq!(problems("", &[("a.rs", 7)]), ["a.rs has 7"]);
        assert_eq!(problems("6 a.rs", &[("a.rs", 7)]), ["a.rs has 7 (test.txt allows 6)"]);
    }

    #[test]
    fn line_that_allows_too_much_is_stale() {
        assert_eq!(problems("10 a.rs", &[("a.rs", 7)]), ["test.txt: 10 a.rs: lower it to 7"]);
        assert_eq!(problems("10 a.rs", &[]), ["test.txt: a.rs: remove this line, nothing needs it"]);
    }

    #[test]
    fn update_never_raises_a_number_and_adds_no_line() {
        let updated = list(&|_| true).updated(&entries("10 a\n5 b\n3 c"), &findings(&[("a", 7), ("b", 8), ("d", 1)]));
        assert_eq!(updated, entries("7 a\n5 b"));
    }

    #[test]
    fn update_follows_a_move_that_does_not_grow() {
        let exists = |key: &str| key != "old";
        let moved = list(&exists).updated(&entries("10 old"), &findings(&[("new/a", 6), ("new/b", 4)]));
        assert_eq!(moved, entries("6 new/a\n4 new/b"));
        let grown = list(&exists).updated(&entries("10 old"), &findings(&[("new/a", 11)]));
        assert!(grown.is_empty());
    }

    #[test]
    fn rendered_list_parses_to_the_same_entries() {
        for lines in ["3 a.rs fn x\n1 b.rs", "a -> b\nb -> c"] {
            let text = list(&|_| true).render(&entries(lines));
            assert_eq!(entries(&text), entries(lines), "{text}");
        }
    }

    #[test]
    fn key_twice_in_a_list_is_an_error() {
        assert!(parse("test.txt", "1 a.rs\n2 a.rs").is_err());
    }
}
