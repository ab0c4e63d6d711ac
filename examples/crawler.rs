//! A crawler: a pipeline that fetches pages, finds their links, and stores them.
//!
//! `cargo run --release --example crawler` starts a small site on this machine and crawls it. Some of
//! its pages are slow, some fail at first, and some links lead to a host that is down.
//!
//! The crawler goes from level to level: first the start page, then the pages that it links to, and
//! so on. Each level is one run of a [`Pipeline`] with three stages:
//!
//! 1. [`Web::fetch`] gets a page, by a pool with layers around it. A rate limit protects the site. A
//!    retry repeats what fails for the moment. A circuit breaker for each host refuses the calls to a
//!    host that is down, so that they cost no time.
//! 2. [`Web::parse`] finds the title and the links, on the global pool.
//! 3. [`Store::save`] stores the page in a service, and returns the links that are new. They are the
//!    next level.

#[path = "crawler/http.rs"]
mod http;
#[path = "crawler/site.rs"]
mod site;
#[path = "crawler/url.rs"]
mod url;

use http::FetchError;
use nanolith::{
    Executor, TaskSet,
    layers::{self, CircuitBreaker, RateLimit, Retry},
    pipeline::{Cause, Collected, ItemError, OnError, Pipeline},
    pool::Concurrency,
    prelude::*,
    sync::Backoff,
    time::{MILLISECOND, SECOND},
};
use site::Site;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};
use url::Url;

/// The number of requests per second, at most.
const RATE: u32 = 50;

/// The number of requests that may come at once after a pause.
const BURST: u32 = 5;

/// The number of pages that are fetched at once.
const FETCHES: usize = 4;

// ----- the stages

/// A page as the server sent it.
pub struct Page {
    url: Url,
    text: String,
}

/// A page with its links.
pub struct Parsed {
    url: Url,
    title: String,
    links: Vec<Url>,
}

/// The tasks of the pools.
pub struct Web;

#[define]
impl Web {
    /// Fetches a page. May run twice, so it may be retried.
    ///
    /// # Errors
    ///
    /// The status of the answer, or the reason why there is no answer.
    #[task(idempotent)]
    pub fn fetch(url: Url) -> Result<Page, FetchError> {
        http::get(&url).map(|text| Page { url, text })
    }

    /// Finds the title and the links of a page.
    pub fn parse(page: Page) -> Parsed {
        let title = between(&page.text, "<title>", "</title>").next().unwrap_or_default().to_owned();
        let links = between(&page.text, "href=\"", "\"").filter_map(|link| Url::of_link(link, page.url.host));
        Parsed { links: links.collect(), title, url: page.url }
    }
}

/// Returns each part of the text that is between these two marks.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| rest.split(after).next())
}

/// The pages, and the addresses that were seen.
pub struct Store {
    titles: BTreeMap<String, String>,
    seen: HashSet<Url>,
}

#[define]
impl Store {
    /// Stores a page. Returns its links that were not seen before.
    pub fn save(&mut self, page: Parsed) -> Vec<Url> {
        self.titles.insert(page.url.to_string(), page.title);
        page.links.into_iter().filter(|link| self.seen.insert(link.clone())).collect()
    }

    /// Returns the number of pages.
    pub fn pages(&self) -> usize {
        self.titles.len()
    }
}

// ----- the layers

/// The executor for the pages of one host: the pool with its layers.
type Polite = Arc<dyn Executor<Web>>;

/// The hosts that may be crawled. They share a pool, the rate limit and the count of retries. Each
/// has a circuit breaker of its own.
struct Hosts {
    calls: HashMap<SocketAddr, WebCalls<Polite>>,
}

impl Hosts {
    fn new(hosts: &[SocketAddr], retry: &Retry) -> Result<Self, Box<dyn Error>> {
        let pool = Pool::builder().name("fetch").concurrency(Concurrency::Exact(FETCHES)).build()?;
        let limit = RateLimit::new(RATE, SECOND).burst(BURST);
        let calls = |host: &SocketAddr| {
            let is_down = |output: &WebOutput| matches!(output, WebOutput::Fetch(Err(FetchError::NoAnswer(..))));
            let breaker = CircuitBreaker::new().min_calls(3).failure_if_output(is_down);
            // The first layer is the outermost: a call that the breaker refuses is not retried.
            let stack = layers::stack().circuit_breaker(breaker).retry(retry.clone()).rate_limit(limit.clone());
            let polite: Polite = Arc::new(stack.wrap(pool.clone()));
            (*host, Web::calls(polite))
        };
        Ok(Self { calls: hosts.iter().map(calls).collect() })
    }

    fn fetch(&self, url: Url) -> Call<'_, Web, Polite, Result<Page, FetchError>> {
        self.calls[&url.host].fetch(url)
    }
}

/// Repeats a fetch that may succeed later: the server has a problem, or did not answer.
fn retry() -> Retry {
    let may_succeed_later = |output: &WebOutput| match output {
        WebOutput::Fetch(Err(FetchError::Status(_, status))) => *status >= 500,
        WebOutput::Fetch(Err(FetchError::NoAnswer(..))) => true,
        _ => false,
    };
    Retry::new(4).backoff(Backoff::exponential(10 * MILLISECOND)).when_output(may_succeed_later)
}

// ----- the program

/// Fetches, parses and stores the pages of a level. Returns the new links of each page.
fn crawl_level(urls: Vec<Url>, hosts: &Arc<Hosts>, store: &Service<Store>) -> Result<Collected<Vec<Url>>, ItemError> {
    Pipeline::from_iter(urls)
        .try_stage(hosts.clone(), |hosts, url| hosts.fetch(url))
        .concurrency(FETCHES)
        .unordered()
        .stage(Web::tasks(), |web, page| web.parse(page))
        .concurrency(2)
        .unordered()
        .stage(store.clone(), |store, page| store.save(page))
        .on_error(OnError::Collect)
        .collect()
        .wait()
}

fn main() -> Result<(), Box<dyn Error>> {
    let site = Site::start()?;
    let (retry, begun) = (retry(), Instant::now());
    let hosts = Arc::new(Hosts::new(&[site.host, site.down], &retry)?);
    let start = Url { host: site.host, path: "/page/0".into() };
    let store = Store { titles: BTreeMap::new(), seen: HashSet::from([start.clone()]) };
    let store = Store::service(store).name("store").launch().wait()?;

    let (mut urls, mut failed, mut refused) = (vec![start], 0, 0);
    for level in 0.. {
        if urls.is_empty() {
            break;
        }
        let Collected { items, report, .. } = crawl_level(urls, &hosts, &store)?;
        println!("level {level}: {} pages, {} failed", report.delivered, report.failed);
        for error in &report.errors {
            match error.cause() {
                Cause::Call(CallError::Rejected("CircuitBreaker", _)) => refused += 1,
                _ => failed += 1,
            }
        }
        urls = items.into_iter().flatten().filter(|url| hosts.calls.contains_key(&url.host)).collect();
    }

    let seconds = begun.elapsed().as_secs_f64();
    println!("{} pages stored, {failed} failed after retries", store.pages().wait()?);
    println!("{} retries", retry.retries());
    println!("{refused} refused by the circuit breaker");
    println!("{:.0} requests a second in {seconds:.2} s, {RATE} allowed", site.requests() as f64 / seconds);
    store.close().wait()?;
    Ok(())
}
