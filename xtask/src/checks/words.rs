//! `cargo xtask words`: a lint for forbidden words in prose. `xtask/words.txt` lists the words.
//!
//! Prose is the text of comments, strings and Markdown. Code is not prose: neither identifiers, nor
//! text between backticks, nor a fenced block. The comments and strings in a fenced block are
//! prose.

use crate::{
    checks::{
        allow::{Finding, Findings, List},
        files,
        lexer::{Kind, pieces},
    },
    shell::{Failure, Outcome, root},
};
use std::{collections::BTreeMap, path::Path};

const WORDS: &str = include_str!("../../words.txt");

pub(crate) fn run() -> Outcome {
    let root = root();
    let words: Vec<Vec<&str>> = WORDS.lines().map(|line| line.split_whitespace().collect()).collect();
    let list = List {
        name: "words.txt",
        about: "How often each file has a word of xtask/words.txt.",
        slack: 0,
        exists: &|path| root.join(path).exists(),
    };
    list.hold(&root, &findings(&root, &words)?)
}

fn findings(root: &Path, words: &[Vec<&str>]) -> Result<Findings, Failure> {
    let mut findings = Findings::new();
    for extension in ["rs", "md"] {
        for path in files::paths(root, "", extension)? {
            let text = files::read(root, &path)?;
            let prose = if extension == "rs" { prose_of_rust(&text) } else { prose_of_markdown(&text) };
            let hits = hits(&prose, words);
            let amount = hits.values().sum();
            if amount > 0 {
                let each: Vec<_> = hits.iter().map(|(word, count)| format!("\"{word}\" {count}")).collect();
                let (each, lines) = (each.join(", "), lines_with(&text, words));
                let text = format!("{path}: {amount} words that prose does without: {each}; see lines {lines}");
                findings.insert(path, Finding { amount, text });
            }
        }
    }
    Ok(findings)
}

/// Returns how often each of these words, or sequences of words, is in the prose.
fn hits(prose: &[String], words: &[Vec<&str>]) -> BTreeMap<String, usize> {
    let mut hits = BTreeMap::new();
    for text in prose {
        let text = in_words(text);
        let text: Vec<&str> = text.split_whitespace().collect();
        for word in words {
            let count = text.windows(word.len()).filter(|window| window == word).count();
            if count > 0 {
                *hits.entry(word.join(" ")).or_default() += count;
            }
        }
    }
    hits
}

/// Returns the numbers of the lines that have these words, or that end in the first word of a
/// sequence. Lines of code may be among them.
fn lines_with(text: &str, words: &[Vec<&str>]) -> String {
    let has = |line: &str| {
        let line = in_words(line);
        let line: Vec<&str> = line.split_whitespace().collect();
        words.iter().any(|word| line.ends_with(&word[..1]) || line.windows(word.len()).any(|window| window == word))
    };
    let numbers = text.lines().zip(1_usize..).filter(|(line, _)| has(line)).map(|(_, number)| number.to_string());
    numbers.collect::<Vec<_>>().join(", ")
}

/// Returns the text in lower case, with a bar in place of each punctuation mark. No sequence of
/// words spans a bar.
fn in_words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() || c == '_' => words.extend(c.to_lowercase()),
            c if c.is_whitespace() => words.push(' '),
            _ => words.push_str(" | "),
        }
    }
    words
}

/// Returns the comments and strings of Rust text. Comments on consecutive lines are one comment.
fn prose_of_rust(source: &str) -> Vec<String> {
    let mut prose = Vec::new();
    let mut comment = Comment::default();
    for (kind, text) in pieces(source) {
        match kind {
            Kind::Comment => {
                let marker = marker(text);
                if comment.marker != marker {
                    comment.end(&mut prose);
                }
                comment.marker = marker;
                comment.text += text[marker.len()..].trim_end_matches("*/");
                comment.text.push('\n');
            }
            Kind::Code if text.trim().is_empty() && text.matches('\n').count() < 2 => {}
            Kind::Code => comment.end(&mut prose),
            Kind::Text => prose.extend(prose_of_markdown(&without_escapes(text))),
        }
    }
    comment.end(&mut prose);
    prose
}

/// The lines of one comment, without their markers.
#[derive(Default)]
struct Comment {
    marker: &'static str,
    text: String,
}

impl Comment {
    fn end(&mut self, prose: &mut Vec<String>) {
        prose.extend(prose_of_markdown(&std::mem::take(&mut self.text)));
    }
}

fn marker(comment: &str) -> &'static str {
    ["///", "//!", "//", "/**", "/*!", "/*"].into_iter().find(|marker| comment.starts_with(marker)).unwrap_or("")
}

/// Returns a string without escaped line ends and without the placeholders of a format macro.
fn without_escapes(text: &str) -> String {
    let text = text.replace("\\\n", " ").replace("\\n", "\n").replace("\\t", " ");
    let mut parts = text.split('{');
    let mut kept = parts.next().unwrap_or("").to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((code, rest)) if !code.contains(char::is_whitespace) => {
                kept.push('|');
                kept += rest;
            }
            _ => {
                kept.push('{');
                kept += part;
            }
        }
    }
    kept
}

/// Returns the prose of Markdown. Of a fenced block of Rust, that is the comments and strings. Of a
/// block in another language, it is the whole text.
fn prose_of_markdown(text: &str) -> Vec<String> {
    let mut prose = Vec::new();
    let mut paragraph = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((fence, language)) = fence(line) {
            prose.push(without_code(&std::mem::take(&mut paragraph)));
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.trim_start().starts_with(fence)).collect();
            let block = block.join("\n");
            if is_rust(language) { prose.extend(prose_of_rust(&block)) } else { prose.push(block) }
        } else if line.trim().is_empty() {
            prose.push(without_code(&std::mem::take(&mut paragraph)));
        } else {
            paragraph += line;
            paragraph.push('\n');
        }
    }
    prose.push(without_code(&paragraph));
    prose.retain(|text| !text.trim().is_empty());
    prose
}

/// Returns the marker that opens a fenced block, and the language after it.
fn fence(line: &str) -> Option<(&'static str, &str)> {
    let line = line.trim_start();
    ["```", "~~~"].into_iter().find_map(|fence| Some((fence, line.strip_prefix(fence)?.trim_start_matches(['`', '~']))))
}

/// Whether the language is Rust. As in rustdoc, a block without a language is Rust.
fn is_rust(language: &str) -> bool {
    let first = language.trim().split([',', ' ']).next().unwrap_or("");
    matches!(first, "" | "rust" | "no_run" | "ignore" | "compile_fail" | "should_panic")
}

/// Returns a paragraph without the text between backticks.
fn without_code(paragraph: &str) -> String {
    let mut kept = String::new();
    let mut rest = paragraph;
    while let Some(start) = rest.find('`') {
        kept += &rest[..start];
        let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let code = &rest[start + ticks..];
        match code.find(&rest[start..start + ticks]) {
            Some(end) => {
                kept.push('|');
                rest = code[end..].trim_start_matches('`');
            }
            None => rest = code,
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how often "red" and "dark blue" are in the prose of Rust text.
    fn in_rust(source: &str) -> usize {
        count(&prose_of_rust(source))
    }

    fn in_markdown(text: &str) -> usize {
        count(&prose_of_markdown(text))
    }

    fn count(prose: &[String]) -> usize {
        hits(prose, &[vec!["red"], vec!["dark", "blue"]]).values().sum()
    }

    #[test]
    fn comments_docs_and_strings_are_prose() {
        assert_eq!(in_rust("//! Red.\n\n/// red\n// red\n/* red */ fn f() { panic!(\"red: {x}\", r#\"red\"#) }"), 6);
    }

    #[test]
    fn identifiers_are_no_prose() {
        assert_eq!(in_rust("let red = f::<Red>(red); println!(\"{red} {red:?}\");"), 0);
        assert_eq!(in_rust("/// Sets `red`, as [`red`](Self::reddish), or is_red, or infrared.\nfn red() {}"), 0);
        assert_eq!(in_markdown("the ``red ` red`` lamp"), 0);
        assert_eq!(in_markdown("`red`\n```\nlet red;\n```\n`red`"), 0);
    }

    #[test]
    fn word_is_found_in_any_case_and_beside_any_sign() {
        assert_eq!(in_markdown("RED, (red) *red* red's red-hot"), 5);
    }

    #[test]
    fn word_sequence_may_span_lines_but_not_sentences() {
        assert_eq!(in_rust("/// It is dark\n/// blue.\nfn f() {}"), 1);
        assert_eq!(in_rust("f(\"it is dark \\\n   blue\")"), 1);
        assert_eq!(in_rust("/// It is dark. Blue is not.\n\n// dark\n\n// blue\nfn f() {}"), 0);
    }

    #[test]
    fn example_in_docs_is_code_with_comments_and_strings() {
        let docs = "/// Red.\n/// ```\n/// let red = 1; // red\n/// assert_eq!(red, \"red\");\n/// ```\n/// Red.\n";
        assert_eq!(in_rust(docs), 4);
        assert_eq!(in_markdown("```text\nred\n```\n```rust\nlet red;\n```\n"), 1);
    }

    #[test]
    fn lone_backtick_hides_nothing_beyond_its_paragraph() {
        assert_eq!(in_markdown("a ` red\n\nred ` red"), 3);
    }

    #[test]
    fn finding_names_the_lines() {
        let words = [vec!["red"], vec!["dark", "blue"]];
        assert_eq!(lines_with("a dark red\nRed.\na dark day\nit is dark\nblue", &words), "1, 2, 4");
    }

    #[test]
    fn word_list_is_in_lower_case() {
        assert!(WORDS.lines().count() > 5 && WORDS.lines().all(|word| word == word.to_lowercase()));
    }
}
