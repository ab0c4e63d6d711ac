//! Reads a Markdown page: its links, and the anchors of its headings.

use super::{Link, Page};
use pulldown_cmark::{BrokenLink, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};
use std::collections::BTreeMap;

/// Returns the links and the anchors of a page.
pub(super) fn page(text: &str) -> Page {
    let mut page = Page::default();
    let mut anchors = Anchors::default();
    let mut heading = None;
    let mut undefined = Vec::new();
    let mut note_undefined = |link: BrokenLink<'_>| -> Option<(CowStr<'_>, CowStr<'_>)> {
        // A word between brackets alone is text. With a second pair of brackets it is a link.
        if link.link_type == LinkType::Reference {
            undefined.push(Link { line: line_of(text, link.span.start), target: link.reference.to_string() });
        }
        None
    };
    let parser = Parser::new_with_broken_link_callback(text, Options::ENABLE_TABLES, Some(&mut note_undefined));
    for (event, span) in parser.into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(Link { line: line_of(text, span.start), target: dest_url.to_string() });
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                page.anchors.extend(heading.take().map(|heading| anchors.of(&heading)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    *heading += &text;
                }
            }
            _ => {}
        }
    }
    page.undefined = undefined;
    page
}

fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

/// The anchors that GitHub and mdBook make of headings. Equal ones get numbers.
#[derive(Default)]
struct Anchors(BTreeMap<String, usize>);

impl Anchors {
    fn of(&mut self, heading: &str) -> String {
        let kept = heading.trim().chars().filter_map(|c| match c {
            c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
            c if c.is_whitespace() => Some('-'),
            _ => None,
        });
        let anchor: String = kept.collect();
        let count = self.0.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_images_have_their_lines() {
        let page = page("# A\n\n[b](b.md#c) and [d]\n\n| |\n|---|\n| ![e](e.svg) |\n\n[d]: d.md\n");
        let links: Vec<_> = page.links.iter().map(|link| (link.line, &*link.target)).collect();
        assert_eq!(links, [(3, "b.md#c"), (3, "d.md"), (7, "e.svg")]);
    }

    #[test]
    fn code_has_no_links() {
        let page = page("`[a](a.md)`\n\n```rust\n//! [b](b.md)\n# let hidden = 1;\n```\n");
        assert!(page.links.is_empty() && page.anchors.is_empty(), "{page:?}");
    }

    #[test]
    fn headings_have_the_anchors_of_github() {
        let page = page("# The end of `main`\n## `CallError`: why?\n## Two\n## Two\n");
        assert_eq!(page.anchors.iter().collect::<Vec<_>>(), ["callerror-why", "the-end-of-main", "two", "two-1"]);
    }

    #[test]
    fn reference_without_a_definition_is_noted() {
        let page = page("[text][no] and [text] and a `[1][2]`\n");
        assert_eq!(page.undefined, [Link { line: 1, target: "no".into() }]);
    }
}
