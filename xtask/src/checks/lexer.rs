//! A lexer that splits Rust text into code, comments and the text of strings.

/// The kind of a piece of a Rust file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Code,
    /// One comment with its marker, up to the end of the line or to its closing marker.
    Comment,
    /// The text between the quotes of a string.
    Text,
}

/// Splits Rust text. The quotes and prefixes of strings, and character literals, count as code.
pub(crate) fn pieces(source: &str) -> Vec<(Kind, &str)> {
    let mut lexer = Lexer { source, at: 0, code_from: 0, pieces: Vec::new() };
    while lexer.at < source.len() {
        lexer.step();
    }
    lexer.end_code();
    lexer.pieces
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    code_from: usize,
    pieces: Vec<(Kind, &'a str)>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = self.rest();
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            self.piece(Kind::Comment, end);
        } else if rest.starts_with("/*") {
            self.piece(Kind::Comment, block_comment(rest));
        } else if let Some(open) = opening(rest) {
            self.at += open.len;
            let text = self.rest();
            let end = if open.raw { raw_end(text, open.hashes) } else { string_end(text) };
            self.piece(Kind::Text, end);
            self.at = (self.at + 1 + open.hashes).min(self.source.len());
        } else if let Some(length) = character(rest) {
            self.at += length;
        } else {
            self.at += word(rest);
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn piece(&mut self, kind: Kind, length: usize) {
        self.end_code();
        self.pieces.push((kind, &self.source[self.at..self.at + length]));
        self.at += length;
        self.code_from = self.at;
    }

    fn end_code(&mut self) {
        if self.code_from < self.at {
            self.pieces.push((Kind::Code, &self.source[self.code_from..self.at]));
        }
    }
}

struct Opening {
    len: usize,
    raw: bool,
    hashes: usize,
}

/// Returns the opening of a string at the start of `rest`: `"`, `b"`, `c"`, `r"`, `br#"` and the
/// like. A raw identifier (`r#fn`) opens no string.
fn opening(rest: &str) -> Option<Opening> {
    let prefix = rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r'))?;
    let raw = rest[..prefix].ends_with('r');
    let after = &rest[prefix..];
    let hashes = if raw { after.find(|c| c != '#')? } else { 0 };
    let quoted = prefix <= 2 && after[hashes..].starts_with('"');
    quoted.then_some(Opening { len: prefix + hashes + 1, raw, hashes })
}

fn raw_end(text: &str, hashes: usize) -> usize {
    text.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(text.len())
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let end = text.find(|c| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        c => c == '"',
    });
    end.unwrap_or(text.len())
}

/// Returns the length of a block comment, with the comments nested in it.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let Some(next) = rest[at..].find(['/', '*']) else { return rest.len() };
        at += next;
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
}

/// Returns the length of a character literal. A lifetime is not a literal.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.strip_prefix('\'')?.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next()?;
        let (close, _) = chars.find(|(_, c)| *c == '\'')?;
        return Some(close + 2);
    }
    let (close, next) = chars.next()?;
    (next == '\'').then_some(close + 2)
}

/// Returns the length of the identifier or number at the start of `rest`, or of one other
/// character. The lexer therefore never looks for a string's prefix within an identifier.
fn word(rest: &str) -> usize {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    if end == 0 { rest.chars().next().map_or(1, char::len_utf8) } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, source: &str) -> Vec<&str> {
        pieces(source).into_iter().filter(|(found, _)| *found == kind).map(|(_, text)| text).collect()
    }

    #[test]
    fn comments_end_at_their_line_or_their_mark() {
        let source = "a // one\n/* two /* deep */ * / */ b /// three";
        assert_eq!(of(Kind::Comment, source), ["// one", "/* two /* deep */ * / */", "/// three"]);
        assert_eq!(of(Kind::Code, source), ["a ", "\n", " b "]);
    }

    #[test]
    fn strings_of_each_form_are_found() {
        let source = r###"f("a \" b", b"c", r"d\", r#"e " f"#, br##"g"# h"##, c"i")"###;
        assert_eq!(of(Kind::Text, source), [r#"a \" b"#, "c", "d\\", "e \" f", "g\"# h", "i"]);
    }

    #[test]
    fn comment_in_a_string_is_text_and_quote_in_a_comment_is_not() {
        assert_eq!(of(Kind::Text, "\"// no\" // \"yes\""), ["// no"]);
        assert_eq!(of(Kind::Comment, "\"// no\" // \"yes\""), ["// \"yes\""]);
    }

    #[test]
    fn characters_and_lifetimes_open_no_string() {
        let source = r#"fn f<'a>(x: &'a str) { ['"', '\'', '\u{1F600}', 'é']; "text" }"#;
        assert_eq!(of(Kind::Text, source), ["text"]);
    }

    #[test]
    fn names_that_end_in_a_prefix_are_names() {
        assert_eq!(of(Kind::Text, "r#fn + abr + var!(\"x\")"), ["x"]);
    }

    #[test]
    fn pieces_of_this_file_join_to_this_file() {
        let source = include_str!("lexer.rs");
        let together: String = pieces(source).into_iter().map(|(_, text)| text).collect();
        assert_eq!(together, source);
    }
}
