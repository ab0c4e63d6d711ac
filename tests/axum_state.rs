//! Tests of typed calls as the state of an axum router.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode},
    response::Response,
    routing::get,
};
use nanolith::{executor::OnFull, pool::Concurrency, prelude::*, service::ServiceRef};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tower::ServiceExt as _;

type Reports = UnboundedSender<&'static str>;

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    /// Runs until its call is cancelled.
    pub fn spin(cx: &Context<Self>) {
        let reports = cx.data::<Reports>().expect("the pool has it");
        reports.send("started").expect("the test waits");
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        reports.send("cancelled").expect("the test waits");
    }
}

pub struct Counter {
    total: i64,
}

#[define]
impl Counter {
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }
}

async fn add(
    State(geometry): State<GeometryCalls<Pool>>,
    Path((x, y)): Path<(i64, i64)>,
) -> Result<String, StatusCode> {
    match geometry.add(x, y).await {
        Ok(sum) => Ok(sum.to_string()),
        Err(CallError::Full(_)) => Err(StatusCode::SERVICE_UNAVAILABLE),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn spin(State(geometry): State<GeometryCalls<Pool>>) -> Result<(), StatusCode> {
    geometry.spin().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn bump(
    State(counter): State<CounterCalls<ServiceRef<Counter>>>,
    Path(by): Path<i64>,
) -> Result<String, StatusCode> {
    counter.bump(by).await.map(|total| total.to_string()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn geometry(pool: &Pool) -> Router {
    Router::new().route("/add/{x}/{y}", get(add)).route("/spin", get(spin)).with_state(Geometry::on(pool))
}

async fn ask(app: Router, path: &str) -> Response {
    app.oneshot(Request::get(path).body(Body::empty()).expect("a request")).await.expect("it never fails")
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1_024).await.expect("a body");
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn typed_calls_are_the_state_of_a_router() {
    let pool = Pool::builder().build().expect("ok");
    assert_eq!(text(ask(geometry(&pool), "/add/4/5").await).await, "9");
    let counter = Counter::service(Counter { total: 10 }).launch().await.expect("it starts");
    let app = Router::new().route("/bump/{by}", get(bump)).with_state(counter.calls().clone());
    assert_eq!(text(ask(app.clone(), "/bump/5").await).await, "15");
    assert_eq!(text(ask(app, "/bump/5").await).await, "20");
}

#[tokio::test]
async fn dropped_request_cancels_its_call() {
    let (reports, mut reported) = unbounded_channel();
    let pool = Pool::builder().data::<Reports>(reports).build().expect("ok");
    let app = geometry(&pool);
    let request = tokio::spawn(async move { ask(app, "/spin").await });
    assert_eq!(reported.recv().await, Some("started"));
    request.abort(); // as the server does when the client disconnects
    assert!(request.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(reported.recv().await, Some("cancelled"));
    pool.drained().await;
}

#[tokio::test]
async fn full_pool_is_answered_with_503() {
    let settings = Pool::builder().max_in_flight(1).on_full(OnFull::Reject).concurrency(Concurrency::Exact(1));
    let pool = settings.build().expect("ok");
    pool.pause();
    let held = Geometry::on(&pool).add(1, 2).submit();
    assert_eq!(ask(geometry(&pool), "/add/4/5").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    pool.resume();
    assert_eq!(held.await.expect("it ran"), 3);
}
