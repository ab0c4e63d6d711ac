//! Tests of `sleep` and `timeout` by the system's clock.
#![allow(missing_docs)] // a test's name documents it

use nanolith::time::{Elapsed, MILLISECOND, MINUTE, sleep, timeout};
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

#[test]
fn sleeps_end_in_order_and_not_before_their_time() {
    let began = Instant::now();
    let order = pollster::block_on(async {
        let (tell, told) = mpsc::channel();
        let sleeps = [30, 10, 20].map(|ms| {
            let tell = tell.clone();
            async move {
                sleep(Duration::from_millis(ms)).await;
                assert!(began.elapsed() >= Duration::from_millis(ms));
                tell.send(ms).expect("heard");
            }
        });
        futures_util::future::join_all(sleeps).await;
        drop(tell);
        told.into_iter().collect::<Vec<_>>()
    });
    assert_eq!(order, [10, 20, 30]);
}

#[test]
fn time_limit_ends_a_long_future() {
    pollster::block_on(async {
        assert_eq!(timeout(MILLISECOND, std::future::pending::<()>()).await, Err(Elapsed));
        assert_eq!(timeout(MINUTE, async { 7 }).await, Ok(7));
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
    });
}
