//! A search index that answers queries while it is built.
//!
//! ```text
//! cargo run --release --example search_index -- [FOLDER [PHRASE..]]
//! ```
//!
//! The tasks of [`Texts`] read files and split them into words, several at once on a pool. The index
//! is the state of a service, [`Index`], which alone owns it. So there is no lock.
//!
//! Each task sends its words to the service in a message. The queue of the service has few places,
//! and a task waits for a place. So the tasks are never far ahead of the index, however many files
//! there are: this is back pressure.
//!
//! Queries are `&self` methods of the service. They run between two messages. While the index is
//! built, the program asks after each quarter of the files how often a word occurs, and the number
//! grows. At the end it asks for the positions of each PHRASE.
//!
//! Files that are not text are left out. Without FOLDER, the program writes some texts into a
//! temporary folder.

use nanolith::{bulk::each, prelude::*};
use std::{
    collections::{BTreeMap, HashMap},
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

/// The number of messages that wait for the index at most.
const WAITING: usize = 4;

/// The number of files that are read and not in the index yet, at most.
const IN_FLIGHT: usize = 8;

// ----- the index

/// The words of each file, with their positions.
#[derive(Default)]
pub struct Index {
    files: Vec<PathBuf>,
    /// For each word, the number of each file that has it, and the positions there.
    words: HashMap<String, BTreeMap<usize, Positions>>,
}

/// The positions of a word in a file: 0 is the first word of the file. They are in order.
type Positions = Vec<u32>;

/// A message to the index: the words of a file.
pub struct Document {
    file: PathBuf,
    words: HashMap<String, Positions>,
}

/// How much the index has at one moment.
pub struct Count {
    files: usize,
    words: usize,
    /// How often the word of the query occurs.
    times: usize,
}

/// A file with a phrase, and the positions at which the phrase begins.
pub struct Hit {
    file: PathBuf,
    positions: Positions,
}

#[define(inbox = Document)]
impl Index {
    /// Adds the words of a file.
    #[on_message]
    fn add(&mut self, document: Document) {
        let number = self.files.len();
        self.files.push(document.file);
        for (word, positions) in document.words {
            self.words.entry(word).or_default().insert(number, positions);
        }
    }

    /// Returns how often a word occurs in the files so far.
    pub fn count(&self, word: String) -> Count {
        let times = self.words.get(&word).into_iter().flat_map(BTreeMap::values).map(Vec::len).sum();
        Count { files: self.files.len(), words: self.words.len(), times }
    }

    /// Returns the files that have these words in a row, by name.
    pub fn find(&self, phrase: String) -> Vec<Hit> {
        let words: Vec<String> = words_of(&phrase).collect();
        let Some((first, rest)) = words.split_first() else { return Vec::new() };
        let mut hits = Vec::new();
        for (&file, positions) in self.words.get(first).into_iter().flatten() {
            let begins = |start: &u32| (start + 1..).zip(rest).all(|(position, word)| self.has(word, file, position));
            let positions: Positions = positions.iter().copied().filter(begins).collect();
            if !positions.is_empty() {
                hits.push(Hit { file: self.files[file].clone(), positions });
            }
        }
        hits.sort_by(|a, b| a.file.cmp(&b.file));
        hits
    }

    /// Whether a file has the word at this position.
    fn has(&self, word: &str, file: usize, position: u32) -> bool {
        let positions = self.words.get(word).and_then(|files| files.get(&file));
        positions.is_some_and(|positions| positions.binary_search(&position).is_ok())
    }
}

// ----- the files

/// The tasks of the pool.
pub struct Texts;

#[define]
impl Texts {
    /// Reads a file, and sends its words to the index. Waits while the queue of the index is full.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the index is closed.
    pub fn read(file: PathBuf, index: Service<Index>) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", file.display()));
        let text = fs::read_to_string(&file).map_err(named)?;
        let mut words = HashMap::<String, Positions>::new();
        for (position, word) in (0..).zip(words_of(&text)) {
            words.entry(word).or_default().push(position);
        }
        index.send(Document { file, words }).wait().map_err(io::Error::other)
    }
}

fn words_of(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

/// Returns the files of a folder tree, without hidden and ignored files.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in ignore::Walk::new(folder) {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => println!("{error}"),
        }
    }
    files
}

// ----- the program

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    match arguments.next() {
        Some(folder) => {
            let phrases: Vec<_> = arguments.map(|phrase| phrase.to_string_lossy().into_owned()).collect();
            search(Path::new(&folder), &phrases)
        }
        None => {
            let folder = tempfile::tempdir()?; // its drop deletes it
            write_texts(folder.path())?;
            search(folder.path(), &["white whale".into(), "the old captain".into(), "a green whale".into()])
        }
    }
}

fn search(folder: &Path, phrases: &[String]) -> Result<(), Box<dyn Error>> {
    let index = Index::service(Index::default()).name("index").max_queue(WAITING).launch().wait()?;
    let word = phrases.iter().flat_map(|phrase| words_of(phrase)).last().unwrap_or_else(|| "the".into());
    build(&index, files_in(folder), &word)?;
    // At most three files of each phrase are printed, and five positions of each file.
    for phrase in phrases {
        let hits = index.find(phrase.clone()).wait()?;
        println!("files with `{phrase}`: {}", hits.len());
        for Hit { file, positions } in hits.iter().take(3) {
            let name = file.strip_prefix(folder).unwrap_or(file).display();
            println!("  {name} at words {:?}", &positions[..positions.len().min(5)]);
        }
    }
    index.close().wait()?;
    Ok(())
}

/// Reads all files into the index, and asks for the word meanwhile.
fn build(index: &Service<Index>, files: Vec<PathBuf>, word: &str) -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder().name("texts").build()?;
    let total = files.len();
    let read = each(Texts::on(&pool), files, |texts, file| texts.read(file, index.clone()));
    let mut left_out = 0;
    for (done, outcome) in (1..).zip(read.unordered().in_flight(IN_FLIGHT)) {
        match outcome? {
            Ok(()) => {}
            Err(error) => {
                left_out += 1;
                if error.kind() != io::ErrorKind::InvalidData {
                    println!("{error}"); // it may be text
                }
            }
        }
        let quarters = |files: usize| files * 4 / total;
        if quarters(done) > quarters(done - 1) && done < total {
            // More urgent than the messages, so this query waits for none of them.
            print(&index.count(word.into()).priority(Priority::UserBlocking).wait()?, total, word);
        }
    }
    // As urgent as the messages, so this query comes after all of them.
    print(&index.count(word.into()).wait()?, total, word);
    println!("not text, or not readable: {left_out}");
    Ok(())
}

fn print(count: &Count, total: usize, word: &str) {
    let Count { files, words, times } = count;
    println!("{files} of {total} files, {words} different words: `{word}` occurs {times} times");
}

/// Writes some texts, with words in an order that is the same in each run.
fn write_texts(folder: &Path) -> io::Result<()> {
    const WORDS: [&str; 12] =
        ["the", "white", "whale", "old", "captain", "a", "green", "sea", "ship", "saw", "and", "far"];
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..200 {
        let text: Vec<&str> = (0..2_000).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        fs::write(folder.join(format!("{number:03}.txt")), text.join(" "))?;
    }
    fs::write(folder.join("picture.bin"), [0xff, 0xfe, 0xfd])
}
