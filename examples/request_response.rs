//! Request and response over a pair of ports, with a time limit. An answer that comes after its
//! limit is reported as late, and is not taken for the answer to the next question.
//!
//! `cargo run --example request_response` asks a library for three books, one of which is hard to
//! find.

use nanolith::{
    BoxError,
    port::{self, Port},
    prelude::*,
    time::{MILLISECOND, MINUTE},
};
use std::{sync::mpsc, time::Duration};

/// A question of a reader.
pub struct Question {
    id: u64,
    title: String,
}

/// An answer: the number of its question, and the place of the book.
pub struct Answer {
    id: u64,
    shelf: usize,
}

/// A library, which knows where each book is.
pub struct Library;

#[define]
impl Library {
    /// Answers one question after another, until the port is closed.
    pub fn answer(readers: Port<Answer, Question>, found: mpsc::Receiver<()>) {
        for Question { id, title } in &readers {
            if title == "Ulysses" {
                // This book is mislaid. It is found when the reader has given up, so that the
                // output is always the same.
                let _ = nanolith::task::block_in_place(|| found.recv());
            }
            if readers.send(Answer { id, shelf: title.len() }).wait().is_err() {
                break;
            }
        }
        println!("library: closed");
    }
}

/// A reader, which matches each answer to its question.
struct Reader {
    library: Port<Question, Answer>,
    asked: u64,
}

impl Reader {
    /// Returns the shelf, or `None` if there is no answer within `limit`.
    fn ask(&mut self, title: &str, limit: Duration) -> Result<Option<usize>, BoxError> {
        self.asked += 1;
        let id = self.asked;
        self.library.send(Question { id, title: title.into() }).wait()?;
        let answer = self.library.wait_for(|answer| answer.id == id).wait_timeout(limit).ok();
        // The messages left are answers to questions that were given up.
        for late in self.library.try_iter() {
            println!("answer to question {} came late: shelf {}", late.id, late.shelf);
        }
        Ok(answer.transpose()?.map(|answer| answer.shelf))
    }
}

fn main() -> Result<(), CallError> {
    let (ours, theirs) = port::pair();
    let (find, found) = mpsc::channel();
    let library = Library::tasks().answer(theirs, found).submit();
    let mut reader = Reader { library: ours, asked: 0 };
    for (title, limit) in [("Emma", MINUTE), ("Ulysses", 20 * MILLISECOND), ("Middlemarch", MINUTE)] {
        match reader.ask(title, limit) {
            Ok(Some(shelf)) => println!("{title}: shelf {shelf}"),
            Ok(None) => println!("{title}: no answer in time"),
            Err(reason) => println!("{title}: {reason}"),
        }
        if title == "Ulysses" {
            let _ = find.send(());
        }
    }
    drop(reader);
    library.wait()
}
