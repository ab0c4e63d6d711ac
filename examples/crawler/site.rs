//! [`Site`]: a small site on this machine, with pages that are slow and pages that fail at first.
//! Some of its links lead to a host that is down.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// The number of pages.
pub(crate) const PAGES: usize = 31;

/// How often a page that fails at first answers with status 503.
const FAILURES: u32 = 2;

/// How long a slow page takes.
const SLOW: Duration = Duration::from_millis(100);

/// A running server, and a host that is down. Both are there until the program ends.
pub(crate) struct Site {
    pub(crate) host: SocketAddr,
    /// An address that accepts connections and closes them without an answer.
    pub(crate) down: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    down: SocketAddr,
    requests: AtomicUsize,
    /// How often each page was asked for.
    visits: [AtomicU32; PAGES],
}

impl Site {
    pub(crate) fn start() -> io::Result<Self> {
        let (listener, broken) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (host, down) = (listener.local_addr()?, broken.local_addr()?);
        let shared = Arc::new(Shared { down, requests: AtomicUsize::new(0), visits: Default::default() });
        let site = Self { host, down, shared: shared.clone() };
        thread::spawn(move || broken.incoming().for_each(drop));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || shared.answer(&connection));
            }
        });
        Ok(site)
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Relaxed)
    }
}

impl Shared {
    /// Answers one request, and closes the connection.
    fn answer(&self, mut connection: &TcpStream) -> io::Result<()> {
        self.requests.fetch_add(1, Relaxed);
        let mut lines = BufReader::new(connection).lines();
        let request = lines.next().transpose()?.unwrap_or_default(); // `GET /page/7 HTTP/1.1`
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {} // the rest of the head
        let page = request.split(' ').nth(1).and_then(|path| path.strip_prefix("/page/")?.parse().ok());
        let (status, body) = match page {
            Some(page) if page < PAGES => self.page(page),
            _ => ("404 Not Found", String::new()),
        };
        write!(connection, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    /// Returns the status and the text of a page. The pages are a tree: page 0 has links to the
    /// pages 1 and 2, page 1 to 3 and 4, and so on.
    fn page(&self, number: usize) -> (&'static str, String) {
        let visits = self.visits[number].fetch_add(1, Relaxed);
        if number % 7 == 6 && visits < FAILURES {
            return ("503 Service Unavailable", String::new());
        }
        if number % 5 == 4 {
            thread::sleep(SLOW);
        }
        let below = [2 * number + 1, 2 * number + 2].into_iter().filter(|page| *page < PAGES);
        let mut links: Vec<_> = below.map(|page| format!("/page/{page}")).collect();
        links.push("/page/0".to_owned());
        if number % 3 == 0 {
            links.push(format!("http://{}/page/{number}", self.down));
        }
        let links: String = links.iter().map(|link| format!("<a href=\"{link}\">{link}</a>\n")).collect();
        ("200 OK", format!("<title>Page {number}</title>\n{links}"))
    }
}
