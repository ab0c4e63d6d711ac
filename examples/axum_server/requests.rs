//! The demonstration: the server of `axum_server.rs`, and the requests that it sends itself.

use super::{App, Failure, MOST_CALLS};
use argon2::{Algorithm, Argon2, Params, Version};
use nanolith::service::LifeEvent;
use std::{collections::BTreeMap, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Sends requests, and counts the answers by their status.
struct Client {
    server: SocketAddr,
    answers: BTreeMap<String, usize>,
}

impl Client {
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(String, String), Failure> {
        let answer = ask(self.server, method.into(), path.into(), body.into()).await?;
        *self.answers.entry(answer.0.clone()).or_default() += 1;
        Ok(answer)
    }

    async fn post(&mut self, path: &str, body: &str) -> Result<String, Failure> {
        Ok(self.ask("POST", path, body).await?.0)
    }

    /// Begins to register as many accounts as the pool accepts, and waits until it has them all. The
    /// pool is paused.
    async fn fill(&self, app: &App, name: &str) -> Vec<JoinHandle<Result<(String, String), Failure>>> {
        let register = |n| ask(self.server, "POST".into(), "/register".into(), login(&format!("{name} {n}"), "tea"));
        let requests = (0..MOST_CALLS).map(|n| tokio::spawn(register(n))).collect();
        while app.pool.info().in_flight < MOST_CALLS {
            tokio::task::yield_now().await;
        }
        requests
    }

    /// Awaits the answers of requests, and returns their statuses.
    async fn collect(
        &mut self,
        requests: Vec<JoinHandle<Result<(String, String), Failure>>>,
    ) -> Result<String, Failure> {
        let mut statuses = Vec::new();
        for request in requests {
            let (status, _) = request.await??;
            *self.answers.entry(status.clone()).or_default() += 1;
            statuses.push(status);
        }
        Ok(statuses.join(" "))
    }
}

fn login(name: &str, password: &str) -> String {
    format!(r#"{{"name":"{name}","password":"{password}"}}"#)
}

/// Sends a request, and leaves the connection open.
async fn send(server: SocketAddr, method: &str, path: &str, body: &str) -> Result<TcpStream, Failure> {
    let mut connection = TcpStream::connect(server).await?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let kind = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    connection.write_all(format!("{head}{kind}{body}").as_bytes()).await?;
    Ok(connection)
}

/// Sends a request, and returns the status and the body of its answer.
async fn ask(server: SocketAddr, method: String, path: String, body: String) -> Result<(String, String), Failure> {
    let mut answer = String::new();
    send(server, &method, &path, &body).await?.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no end of its head")?;
    Ok((head.split(' ').nth(1).unwrap_or("no status").into(), body.into()))
}

/// Serves, sends the requests, and prints a line for each.
pub(super) async fn show() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("accounts.db");
    // The least work that argon2 allows, so that the demonstration is quick. `Argon2::default()` has
    // the settings for real passwords.
    let cheap = Argon2::new(Algorithm::default(), Version::default(), Params::new(8, 1, 1, None)?);
    let (reports, mut reported) = mpsc::unbounded_channel();
    let app = App::start(file.clone(), cheap, reports).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut client = Client { server: listener.local_addr()?, answers: BTreeMap::new() };
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(app.clone().serve(listener, async { drop(stopped.await) }));

    println!("register anna: {}", client.post("/register", &login("anna", "tea")).await?);
    println!("register anna again: {}", client.post("/register", &login("anna", "milk")).await?);
    println!("login: {}", client.post("/login", &login("anna", "tea")).await?);
    println!("login with a wrong password: {}", client.post("/login", &login("anna", "milk")).await?);

    app.pool.drained().await; // an answer is sent before its call leaves the pool
    app.pool.pause();
    let held = client.fill(&app, "ben").await;
    println!("one request more than the pool accepts: {}", client.post("/register", &login("cleo", "tea")).await?);
    app.pool.resume();
    println!("the requests before it: {}", client.collect(held).await?);

    println!("a call beyond its time: {}", client.post("/guess?limit=200", &login("anna", "tea")).await?);
    println!("its task: {}", until_ended(&mut reported).await?);
    let disconnects = send(client.server, "POST", "/guess?limit=60000", &login("anna", "tea")).await?;
    reported.recv().await.ok_or("the pool is gone")?; // it has started
    drop(disconnects);
    println!("the task of a client that disconnects: {}", until_ended(&mut reported).await?);

    let mut life = app.accounts.control().life();
    println!("a call that meets a bug in the writer fails: {}", app.accounts.crash().await.is_err());
    while !matches!(life.recv().await, Some(LifeEvent::Restarted { .. }) | None) {}
    println!("register dora after the restart: {}", client.post("/register", &login("dora", "tea")).await?);

    app.pool.drained().await;
    for line in client.ask("GET", "/metrics", "").await?.1.lines().filter(|line| !line.starts_with('#')) {
        println!("/metrics: {line}");
    }

    app.pool.pause();
    let held = client.fill(&app, "emil").await;
    stop.send(()).map_err(|()| "the server is gone")?;
    app.pool.resume();
    println!("accepted before the shutdown: {}", client.collect(held).await?);
    server.await??;
    println!("the server accepts connections: {}", TcpStream::connect(client.server).await.is_ok());
    let count = "SELECT count(*) FROM accounts";
    let accounts: i64 = rusqlite::Connection::open(file)?.query_row(count, (), |row| row.get(0))?;
    println!("{accounts} accounts are in the file; the answers by status: {:?}", client.answers);
    Ok(())
}

/// Returns the report of the end of a task.
async fn until_ended(reported: &mut mpsc::UnboundedReceiver<&'static str>) -> Result<&'static str, Failure> {
    loop {
        match reported.recv().await.ok_or("the pool is gone")? {
            "started" => {}
            ended => return Ok(ended),
        }
    }
}
