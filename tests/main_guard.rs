//! Tests of the guard in `main`, which waits for the calls and services that keep the program
//! alive. It is one test, since their count is global to the process.

use nanolith::{Wait, prelude::*, sync::main_guard, time::MILLISECOND};
use std::{
    error::Error,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

struct Slow;

#[define(vis = "pub(crate)")]
impl Slow {
    pub(crate) fn held(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }

    pub(crate) async fn never() {
        std::future::pending::<()>().await;
    }
}

fn still_alive() -> usize {
    main_guard().limit(MILLISECOND).join().map_or_else(|still| still.count, |()| 0)
}

#[test]
fn main_guard_waits_for_executors_with_keep_alive_only() -> Result<(), Box<dyn Error>> {
    let (begun, begins) = channel();
    let (go, goes) = channel();
    Slow::tasks().held(begun.clone(), goes).submit().detach();
    begins.recv()?;
    assert_eq!(still_alive(), 0, "no call asked for it");

    let (go_kept, goes) = channel();
    Slow::tasks().held(begun, goes).keep_alive(true).submit().detach();
    begins.recv()?;
    let service = Slow::service().keep_alive(true).launch().wait()?;
    assert_eq!(still_alive(), 2, "a call and a service");

    go_kept.send(())?;
    let guard = thread::spawn(|| drop(main_guard())); // no limit
    drop(service);
    guard.join().map_err(|_| "the guard came through")?;
    assert_eq!(still_alive(), 0);
    drop(go);

    let cancelled = Slow::tasks().never().keep_alive(true).submit();
    assert_eq!(still_alive(), 1);
    cancelled.cancel();
    assert_eq!(still_alive(), 0, "a call that was cancelled is over");

    let timed_out = Slow::tasks().never().keep_alive(true).timeout(MILLISECOND).wait();
    assert!(matches!(timed_out, Err(CallError::TimedOut(_))));
    assert_eq!(still_alive(), 0);

    let pool = Pool::builder().build()?;
    pool.close();
    assert!(Slow::on(&pool).never().keep_alive(true).wait().is_err());
    assert_eq!(still_alive(), 0, "a call that was refused is over");

    drop(Slow::service().max_queue(0).keep_alive(true).launch().wait());
    assert_eq!(still_alive(), 0, "a service that could not start is none");
    Ok(())
}
