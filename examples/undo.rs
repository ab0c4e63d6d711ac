//! A service whose state is not `Send`: an undo tree of `Rc` nodes, which is created, used and
//! dropped on the service's own thread.
//!
//! `cargo run --example undo` edits a text from four threads, undoes some of the edits, and prints
//! the rest.

use nanolith::prelude::*;
use std::{convert::Infallible, rc::Rc, thread};

/// A version of the text, and the version before it.
struct Version {
    text: String,
    before: Option<Rc<Version>>,
}

/// The history of a text. Versions share the earlier versions, which `Rc` allows.
struct History {
    now: Rc<Version>,
}

#[define]
impl History {
    #[init]
    fn begin(text: String) -> Result<Self, Infallible> {
        Ok(Self { now: Rc::new(Version { text, before: None }) })
    }

    /// Adds a word, and returns the number of versions.
    #[task]
    fn add(&mut self, word: String) -> usize {
        let text = format!("{} {word}", self.now.text);
        self.now = Rc::new(Version { text, before: Some(self.now.clone()) });
        self.depth()
    }

    /// Removes the last word. Returns false if there is no word to remove.
    #[task]
    fn undo(&mut self) -> bool {
        let before = self.now.before.clone();
        before.map(|before| self.now = before).is_some()
    }

    /// Returns the present text.
    #[task]
    fn text(&self) -> String {
        self.now.text.clone()
    }

    /// Returns the number of versions, including the first.
    fn depth(&self) -> usize {
        std::iter::successors(Some(&self.now), |version| version.before.as_ref()).count()
    }

    #[on_close]
    fn end(self) {
        println!("closed with {} versions", self.depth());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let history = History::service("once".into()).name("history").launch().wait()?;
    thread::scope(|scope| {
        for word in ["upon", "a", "time", "there"] {
            let history = &history;
            scope.spawn(move || history.add(word.into()).wait());
        }
    });
    println!("{}", history.text().wait()?);
    history.undo().wait()?;
    println!("{}", history.text().wait()?);
    assert_eq!(history.text().wait()?.split(' ').count(), 4);
    history.close().wait()?;
    Ok(())
}
