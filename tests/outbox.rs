//! Tests of a service's outbox: events that each listener receives, and streams that one holder of
//! the service takes.

#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    __private::ForwardEvents,
    messenger::{LagPolicy, RecvError, TryRecvError, TrySendError},
    prelude::*,
    service::{LaunchError, Restart},
    stream::{CreditError, Credits, StreamError},
    task::{HasOutbox, OpenStreamError},
    time::MILLISECOND,
};
use std::{
    error::Error,
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

/// Sends its total as an event.
pub struct Counter {
    total: i64,
}

#[define(outbox = i64, streams = String)]
impl Counter {
    #[init]
    fn start(cx: &Context<Self>, first: i64) -> Self {
        let _ = cx.send(first).wait();
        Self { total: first }
    }

    /// Returns the number of receivers.
    pub fn bump(&mut self, cx: &Context<Self>, by: i64) -> usize {
        self.total += by;
        cx.send(self.total).wait().unwrap_or_default()
    }

    pub async fn bump_later(&mut self, cx: &Context<Self>, by: i64) {
        self.total += by;
        let _ = cx.send(self.total).await;
    }

    /// Returns the event if it had no room in time.
    pub fn say_in_time(cx: &Context<Self>, what: i64) -> Result<usize, Option<i64>> {
        match cx.send(what).wait_timeout(MILLISECOND) {
            Ok(sent) => sent.map_err(|_| None),
            Err(pending) => Err(pending.into_inner()),
        }
    }

    pub fn try_say(cx: &Context<Self>, what: i64) -> bool {
        cx.try_send(what).is_ok()
    }

    pub fn fail(&self) {
        panic!("half way");
    }

    pub fn print(&self, cx: &Context<Self>, name: String) -> Result<(), String> {
        let mut writer = cx.create_stream(name).map_err(OpenStreamError::into_inner)?;
        writer.write(self.total.to_string()).wait().map_err(|unsent| unsent.to_string())?;
        writer.finish();
        Ok(())
    }

    pub fn tear(cx: &Context<Self>) -> bool {
        cx.create_stream("torn".into()).map(|mut writer| drop(writer.try_write("half"))).is_ok()
    }

    pub fn print_without_credit(cx: &Context<Self>) -> Option<(CreditError, String)> {
        match cx.create_stream_with("none".into(), Credits::new().chunks(0)) {
            Err(OpenStreamError::Credits(error, metadata)) => Some((error, metadata)),
            _ => None,
        }
    }

    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }
}

fn launch() -> Service<Counter> {
    Counter::service(10).launch().wait().expect("it starts")
}

// ----- events

#[test]
fn events_before_the_first_listener_are_kept_for_it() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    counter.bump(5).wait()?;
    let mut first = counter.control().events();
    let mut second = counter.control().events();
    counter.bump(1).wait()?;
    assert_eq!([first.recv().wait()?, first.recv().wait()?, first.recv().wait()?], [10, 15, 16]);
    assert_eq!(second.recv().wait()?, 16);
    Ok(())
}

#[test]
fn every_listener_receives_every_event() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    let mut listeners = [0; 3].map(|_| counter.control().events());
    listeners[0].recv().wait()?; // the event of the start
    let (tell, reports) = channel();
    let listening = counter.on_message(move |total| {
        let _ = tell.send(total);
    })?;
    assert_eq!(counter.bump(5).wait()?, 4);
    for listener in &mut listeners {
        assert_eq!(listener.recv().wait()?, 15);
    }
    assert_eq!(reports.recv()?, 15);
    drop(listeners);
    assert_eq!(counter.bump(5).wait()?, 1, "the handler still hears");
    drop(listening);
    Ok(())
}

#[test]
fn service_without_listeners_does_not_wait() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    for _ in 0..5_000 {
        counter.bump(1).wait()?;
    }
    let mut late = counter.control().events();
    assert_eq!(late.recv().wait(), Err(RecvError::Lost(5_001 - 1_024)));
    assert_eq!(late.recv().wait()?, 10 + 5_000 - 1_023);
    Ok(())
}

#[test]
fn service_waits_for_a_slow_listener() -> Result<(), Box<dyn Error>> {
    let counter = Counter::service(10).outbox(LagPolicy::Wait(1)).launch().wait()?;
    let mut slow = counter.control().events();
    let waits = counter.bump(5).submit();
    assert!(!counter.try_say(0).submit().is_finished(), "it stands behind the one that waits");
    assert_eq!(slow.recv().wait()?, 10);
    assert_eq!(slow.recv().wait()?, 15);
    assert_eq!(waits.wait()?, 1);
    Ok(())
}

#[test]
fn listener_may_lose_old_events_and_gets_their_number() -> Result<(), Box<dyn Error>> {
    let counter = Counter::service(10).outbox(LagPolicy::DropOldest(2)).launch().wait()?;
    let mut slow = counter.control().events();
    for _ in 0..5 {
        counter.bump(1).wait()?;
    }
    assert_eq!(slow.recv().wait(), Err(RecvError::Lost(4)));
    assert_eq!([slow.recv().wait()?, slow.recv().wait()?], [14, 15]);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
    Ok(())
}

#[test]
fn outbox_without_room_is_refused() {
    let launched = Counter::service(10).outbox(LagPolicy::Wait(0)).launch().wait();
    assert!(matches!(launched, Err(LaunchError::Build(error)) if error.setting() == Some("outbox")));
}

#[test]
fn wait_for_returns_the_matching_event() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    let twenty = counter.wait_for(|total| *total >= 20);
    let never = counter.wait_for(|total| *total < 0);
    for _ in 0..6 {
        counter.bump_later(2).wait()?;
    }
    assert_eq!(pollster::block_on(twenty)?, 20);
    assert!(never.wait_timeout(MILLISECOND).is_err());
    let closed = counter.wait_for(|total| *total < 0);
    counter.close().wait()?;
    assert_eq!(closed.wait(), Err(RecvError::Closed));
    Ok(())
}

#[test]
fn events_before_the_end_are_received_before_the_end() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    let events = counter.control().events();
    counter.bump(5).wait()?;
    counter.terminate().wait()?;
    assert_eq!(events.into_iter().collect::<Vec<_>>(), [10, 15]);
    assert_eq!(counter.control().events().recv().wait(), Err(RecvError::Closed));
    Ok(())
}

#[test]
fn listeners_stay_through_a_restart() -> Result<(), Box<dyn Error>> {
    let counter = Counter::service(10).restart(Restart::on_panic()).launch().wait()?;
    let mut events = counter.control().events();
    assert!(counter.fail().wait().is_err());
    counter.bump(5).wait()?;
    assert_eq!([events.recv().wait()?, events.recv().wait()?, events.recv().wait()?], [10, 10, 15]);
    Ok(())
}

#[test]
fn event_on_a_pool_reaches_no_listener() -> Result<(), Box<dyn Error>> {
    assert!(!Counter::tasks().try_say(5).wait()?);
    Ok(())
}

#[test]
fn generic_code_takes_sets_with_an_outbox() -> Result<(), Box<dyn Error>> {
    fn heard<S: HasOutbox>(service: &Service<S>, count: usize) -> Vec<S::Event> {
        service.control().events().into_iter().take(count).collect()
    }
    let counter = launch();
    counter.bump(5).wait()?;
    assert_eq!(heard(&counter, 2), [10, 15]);
    Ok(())
}

/// Takes events up to a limit, and the deadline of each.
struct Elsewhere(Sender<(i64, bool)>);

impl ForwardEvents<i64> for Elsewhere {
    fn forward(&self, event: i64, deadline: Option<Instant>) -> Result<usize, TrySendError<i64>> {
        match event {
            100.. => Err(TrySendError::Closed(event)),
            50.. => Err(TrySendError::Full(event)),
            _ => self.0.send((event, deadline.is_some())).map(|()| 7).map_err(|_| TrySendError::Closed(event)),
        }
    }
}

#[test]
fn forwarded_events_do_not_reach_handles() -> Result<(), Box<dyn Error>> {
    let (tell, events) = channel();
    let counter = Counter::service(10).forward_events(Elsewhere(tell)).launch().wait()?;
    let handle_events = counter.control().events();
    assert_eq!(counter.bump(5).wait()?, 7);
    counter.bump_later(1).wait()?;
    assert!(counter.try_say(20).wait()?);
    assert_eq!(counter.say_in_time(21).wait()?, Ok(7));
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [(10, false), (15, false), (16, false), (20, true), (21, true)]);
    assert!(!counter.try_say(50).wait()?);
    assert_eq!(counter.say_in_time(51).wait()?, Err(Some(51)));
    assert_eq!(counter.say_in_time(100).wait()?, Err(None));
    assert_eq!(counter.bump(100).wait()?, 0);
    counter.close().wait()?;
    assert_eq!(handle_events.into_iter().count(), 0);
    Ok(())
}

// ----- streams

#[test]
fn stream_keeps_its_chunks_until_its_owner_takes_it() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    counter.print("first".into()).wait()??;
    counter.print("second".into()).wait()??;
    for name in ["first", "second"] {
        let mut stream = counter.control().next_stream().wait().ok_or("it was made")?;
        assert_eq!(stream.metadata(), name);
        assert_eq!(stream.read().wait()?.as_deref(), Some(&b"10"[..]));
        assert_eq!(stream.read().wait()?, None);
    }
    Ok(())
}

#[test]
fn handler_takes_one_stream_after_the_other() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    let (tell, reports) = channel();
    let listening = counter.on_stream(move |stream| {
        let _ = tell.send(stream.metadata().clone());
    })?;
    for n in 0..100 {
        let _ = counter.print(n.to_string()).wait()?; // the handler may drop its end before
    }
    let names: Vec<_> = reports.iter().take(100).collect();
    assert_eq!(names, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    drop(listening);
    Ok(())
}

#[test]
fn stream_dropped_half_way_does_not_look_complete() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    assert!(counter.tear().wait()?);
    let mut stream = counter.control().next_stream().wait().ok_or("it was made")?;
    assert_eq!(stream.read().wait()?.as_deref(), Some(&b"half"[..]));
    assert!(matches!(stream.read().wait(), Err(StreamError::Dropped)));
    Ok(())
}

#[test]
fn failed_create_stream_gives_its_metadata_back() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    assert_eq!(counter.print_without_credit().wait()?, Some((CreditError::ZeroChunks, "none".into())));
    Ok(())
}

#[test]
fn wait_for_a_stream_ends_with_the_service() -> Result<(), Box<dyn Error>> {
    let counter = launch();
    counter.print("last".into()).wait()??;
    let waiting = counter.clone();
    let (tell, reports) = channel();
    let waits = std::thread::spawn(move || {
        let mut seen = 0;
        while waiting.control().next_stream().wait().is_some() {
            seen += 1;
            let _ = tell.send(());
        }
        seen
    });
    reports.recv()?;
    counter.close().wait()?;
    assert_eq!(waits.join().map_err(|_| "it panicked")?, 1);
    Ok(())
}

#[test]
fn service_without_owners_gives_all_back() {
    let counter = Counter::service(1).without_owners().launch().wait().expect("`#[init]` does not wait");
    let mut totals = counter.control().events();
    assert_eq!(counter.bump(1).wait().expect("it runs"), 0, "no receiver");
    assert!(!counter.try_say(7).wait().expect("it runs"));
    assert_eq!(counter.print("total".into()).wait().expect("it runs"), Err("total".into()));
    assert_eq!(totals.recv().wait(), Err(RecvError::Closed));
    assert!(counter.control().next_stream().wait().is_none());
}
