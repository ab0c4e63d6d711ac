//! A web server that keeps accounts: axum serves, a pool hashes passwords with argon2, and SQLite is
//! behind a service that writes and a cluster that reads.
//!
//! `cargo run --example axum_server -- --port 3000` serves until Ctrl-C, with the accounts in
//! `accounts.db`. Without arguments, the program serves on a free port of this machine and sends
//! itself requests. They show: 503 when the pool has no room, 504 after a time limit, a client that
//! disconnects, a service that restarts, `/metrics`, and a shutdown that loses no accepted request.
#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc)] // a program has no callers

#[path = "axum_server/metrics.rs"]
mod metrics;
#[path = "axum_server/requests.rs"]
mod requests;

use argon2::{
    Argon2, PasswordHasher as _, PasswordVerifier as _,
    password_hash::{self, phc::PasswordHash},
};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use nanolith::{
    Cluster, TaskError,
    executor::OnFull,
    prelude::*,
    service::Restart,
    time::{MINUTE, SECOND},
};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::{fmt::Display, path::PathBuf, time::Duration};
use tokio::{net::TcpListener, sync::mpsc};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the tasks report to `main`.
type Reports = mpsc::UnboundedSender<&'static str>;

/// The number of calls that the pool accepts at a time.
const MOST_CALLS: usize = 4;

/// Tasks that compute for long. They run on a pool, which has the settings of argon2 as its data.
pub struct Passwords;

#[define]
impl Passwords {
    /// Returns the hash of a password, with a salt of its own.
    pub fn hash(cx: &Context<Self>, password: String) -> Result<String, password_hash::Error> {
        Ok(argon2(cx).hash_password(password.as_bytes())?.to_string())
    }

    /// Returns whether the hash is that of the password.
    pub fn verify(cx: &Context<Self>, password: String, hash: String) -> Result<bool, password_hash::Error> {
        let hash = PasswordHash::new(&hash)?;
        Ok(argon2(cx).verify_password(password.as_bytes(), &hash).is_ok())
    }

    /// Tries one number after the other as the password, until the call is cancelled.
    pub fn guess(cx: &Context<Self>, hash: String) -> Result<Option<u64>, password_hash::Error> {
        let (hash, argon2) = (PasswordHash::new(&hash)?, argon2(cx));
        report(cx, "started");
        let is_it = |number: &u64| argon2.verify_password(number.to_string().as_bytes(), &hash).is_ok();
        let found = (0..).take_while(|_| !cx.is_cancelled()).find(is_it);
        report(cx, if found.is_some() { "found" } else { "cancelled" });
        Ok(found)
    }
}

fn argon2(cx: &Context<Passwords>) -> Argon2<'static> {
    cx.data::<Argon2<'static>>().cloned().unwrap_or_default()
}

fn report(cx: &Context<Passwords>, what: &'static str) {
    if let Some(reports) = cx.data::<Reports>() {
        let _ = reports.send(what);
    }
}

/// The only writer of the database: a service, whose thread owns the connection.
pub struct Accounts {
    database: Connection,
}

#[define]
impl Accounts {
    /// Opens the database, at the launch and after each crash.
    #[init]
    fn open(file: PathBuf) -> rusqlite::Result<Self> {
        let database = Connection::open(file)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.execute("CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, hash TEXT NOT NULL)", ())?;
        Ok(Self { database })
    }

    /// Adds an account, and returns `false` if the name is taken.
    pub fn add(&mut self, name: String, hash: String) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO accounts VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        Ok(self.database.execute(sql, (name, hash))? == 1)
    }

    /// Fails, for the demonstration.
    pub fn crash(&mut self) {
        panic!("the writer has a bug");
    }
}

/// A reader of the database. A cluster has several, each with a connection of its own.
pub struct Reader {
    database: Connection,
}

#[define]
impl Reader {
    #[init]
    fn open(file: PathBuf) -> rusqlite::Result<Self> {
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.busy_timeout(SECOND)?;
        Ok(Self { database })
    }

    /// Returns the hash of an account's password.
    pub fn hash_of(&self, name: String) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT hash FROM accounts WHERE name = ?1";
        self.database.query_row(sql, [name], |row| row.get(0)).optional()
    }

    /// Returns the number of accounts.
    pub fn count(&self) -> rusqlite::Result<i64> {
        self.database.query_row("SELECT count(*) FROM accounts", (), |row| row.get(0))
    }
}

/// The state of the router. Each part is a handle, which is cheap to clone.
#[derive(Clone)]
struct App {
    pool: Pool,
    passwords: PasswordsCalls<Pool>,
    accounts: Service<Accounts>,
    readers: Cluster<Reader>,
}

impl App {
    async fn start(file: PathBuf, argon2: Argon2<'static>, reports: Reports) -> Result<Self, Failure> {
        let pool = Pool::builder().name("passwords").max_in_flight(MOST_CALLS).on_full(OnFull::Reject);
        let pool = pool.data(argon2).data::<Reports>(reports).build()?;
        let accounts = Accounts::service(file.clone()).restart(Restart::on_panic()).launch().await?;
        let readers = Cluster::launch(2, move || Reader::service(file.clone()).restart(Restart::on_panic())).await?;
        Ok(Self { passwords: Passwords::on(&pool), pool, accounts, readers })
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/register", post(register))
            .route("/login", post(login))
            .route("/guess", post(guess))
            .route("/metrics", get(metrics::metrics))
            .with_state(self.clone())
    }

    /// Serves until `stop`. Then the requests that were accepted are answered, and the calls that
    /// were accepted finish.
    async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Failure> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await?;
        self.pool.close();
        self.pool.drained().await;
        self.accounts.close().await?;
        self.readers.close().await?;
        Ok(())
    }
}

/// An answer for a call that failed.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

impl<E: Display> From<TaskError<E>> for Refusal {
    fn from(error: TaskError<E>) -> Self {
        let status = match &error {
            TaskError::Call(CallError::Full(_)) => StatusCode::SERVICE_UNAVAILABLE,
            TaskError::Call(CallError::TimedOut(_)) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

#[derive(serde::Deserialize)]
struct Login {
    name: String,
    password: String,
}

async fn register(State(app): State<App>, Json(login): Json<Login>) -> Result<StatusCode, Refusal> {
    let hash = app.passwords.hash(login.password).timeout(MINUTE).flatten().await?;
    let is_new = app.accounts.add(login.name, hash).flatten().await?;
    Ok(if is_new { StatusCode::CREATED } else { StatusCode::CONFLICT })
}

async fn login(State(app): State<App>, Json(login): Json<Login>) -> Result<StatusCode, Refusal> {
    let Some(hash) = app.readers.hash_of(login.name).flatten().await? else { return Ok(StatusCode::UNAUTHORIZED) };
    let is_right = app.passwords.verify(login.password, hash).timeout(MINUTE).flatten().await?;
    Ok(if is_right { StatusCode::OK } else { StatusCode::UNAUTHORIZED })
}

/// The time for a guess, in milliseconds.
#[derive(serde::Deserialize)]
struct Limit {
    limit: u64,
}

/// Gives up after the limit, or when the client disconnects: then axum drops this future.
async fn guess(
    State(app): State<App>,
    Query(Limit { limit }): Query<Limit>,
    Json(login): Json<Login>,
) -> Result<String, Refusal> {
    let hash = app.passwords.hash(login.password).flatten().await?;
    let found = app.passwords.guess(hash).timeout(Duration::from_millis(limit)).flatten().await?;
    Ok(format!("{found:?}"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => requests::show().await,
        [option, port] if option == "--port" => {
            let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
            println!("http://{}", listener.local_addr()?);
            let (reports, _) = mpsc::unbounded_channel();
            let app = App::start("accounts.db".into(), Argon2::default(), reports).await?;
            app.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await
        }
        _ => Err("usage: axum_server [--port N]".into()),
    }
}
