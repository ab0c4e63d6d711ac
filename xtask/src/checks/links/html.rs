//! Reads a page of the built book: its links, and the elements that have an id.

use super::{Link, Page};

/// Returns the links and the ids of a page.
pub(crate) fn page(text: &str) -> Page {
    let mut page = Page::default();
    for (number, line) in (1..).zip(text.lines()) {
        for name in ["href", "src"] {
            page.links.extend(values(line, name).map(|target| Link { line: number, target: target.to_owned() }));
        }
        page.anchors.extend(values(line, "id").map(str::to_owned));
    }
    page
}

/// Returns the values of an attribute. Text has no quotation marks, since those are escaped there.
fn values<'l>(line: &'l str, name: &str) -> impl Iterator<Item = &'l str> {
    let start = format!(" {name}=\"");
    let starts: Vec<usize> = line.match_indices(&start).map(|(index, start)| index + start.len()).collect();
    starts.into_iter().filter_map(|start| line[start..].split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_ids_are_found() {
        let page = page("<h1 id=\"a\"><a class=\"x\" href=\"#a\">A</a></h1>\n<img src=\"b.svg\"> href=&quot;c&quot;");
        let links: Vec<_> = page.links.iter().map(|link| (link.line, &*link.target)).collect();
        assert_eq!(links, [(1, "#a"), (2, "b.svg")]);
        assert!(page.anchors.contains("a"));
    }
}
