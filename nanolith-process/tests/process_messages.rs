//! Tests of the messages of a service whose state lives in a child process. The test program is its
//! own child.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use libtest_mimic::{Arguments, Trial};
use nanolith::{
    call::SubmitError,
    messenger::{LagPolicy, RecvError, SendError, TrySendError},
    prelude::*,
    service::{Restart, ServiceBuilder},
    sync::Backoff,
    time::{MILLISECOND, SECOND},
};
use nanolith_process::{ProcessCluster, ProcessPool, ProcessService, ProcessServiceBuilder};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, env, fs, process, sync::mpsc, thread, time::Instant};

/// What a counter sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Total(u64),
    Text(String),
    /// It panics when it is decoded.
    Broken(Broken),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Broken;

impl<'de> Deserialize<'de> for Broken {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it does not decode")
    }
}

pub struct Counter {
    total: u64,
    last_words: u64,
    cx: Context<Self>,
}

#[define(wire, outbox = Event)]
impl Counter {
    /// Sends the total. The counter will send this many events at its end.
    #[init]
    fn start(cx: &Context<Self>, total: u64, last_words: u64) -> Self {
        let _ = cx.send(Event::Total(total)).wait();
        Self { total, last_words, cx: cx.clone() }
    }

    #[on_close]
    fn on_close(self) {
        for number in 1..=self.last_words {
            let _ = self.cx.send(Event::Total(number)).wait();
        }
    }

    pub fn bump(&mut self, cx: &Context<Self>, by: u64) -> u64 {
        self.total += by;
        cx.send(Event::Total(self.total)).wait().map_or(0, |_| self.total)
    }

    pub async fn bump_later(&mut self, cx: &Context<Self>, by: u64) -> u64 {
        self.total += by;
        cx.send(Event::Total(self.total)).await.map_or(0, |_| self.total)
    }

    /// Sends numbers until there is no room. Returns the last one.
    pub fn fill(&self, cx: &Context<Self>) -> u64 {
        (1..).find(|number| cx.try_send(Event::Total(*number)).is_err()).expect("there is an end of room") - 1
    }

    /// Sends until there is no room for a short time. Returns whether there was an end.
    pub fn fill_and_wait(cx: &Context<Self>) -> bool {
        (0..100_000).any(|_| cx.send(Event::Total(0)).wait_timeout(20 * MILLISECOND).is_err())
    }

    /// Sends as long as it is not asked to stop. A thread of its own creates the file when it is.
    pub fn flood(&self, cx: &Context<Self>, file: String) {
        let watched = cx.clone();
        thread::spawn(move || {
            while !watched.is_cancelled() {
                thread::sleep(MILLISECOND);
            }
            fs::write(file, "").expect("it is written");
        });
        while !cx.is_cancelled() {
            let _ = cx.send(Event::Total(0)).wait();
        }
    }

    /// Sends whether it is asked to stop or not.
    pub fn flood_for_ever(&self, cx: &Context<Self>) {
        loop {
            let _ = cx.send(Event::Total(0)).wait();
        }
    }

    pub fn send_text(cx: &Context<Self>, len: usize) -> Result<usize, usize> {
        cx.send(Event::Text("x".repeat(len))).wait().map_err(|SendError(event)| match event {
            Event::Text(text) => text.len(),
            _ => 0,
        })
    }

    pub fn try_send_text(cx: &Context<Self>, len: usize) -> bool {
        matches!(cx.try_send(Event::Text("x".repeat(len))), Err(TrySendError::Closed(_)))
    }

    /// Leaves a thread that sends after the end of the task.
    pub fn send_after_the_end(cx: &Context<Self>) {
        let cx = cx.clone();
        thread::spawn(move || {
            thread::sleep(50 * MILLISECOND);
            let _ = cx.send(Event::Total(9)).wait();
        });
    }

    pub fn send_broken(cx: &Context<Self>) {
        let _ = cx.send(Event::Broken(Broken)).wait();
        thread::sleep(10 * SECOND);
    }

    pub fn crash() {
        process::abort();
    }
}

/// What a ledger receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    Number(u64),
    Text(String),
    Crash,
    Panic,
}

/// A ledger of what it was given, in order.
pub struct Ledger {
    entries: Vec<u64>,
}

#[define(wire, inbox = Entry, outbox = u64)]
impl Ledger {
    #[init]
    fn open() -> Self {
        Self { entries: Vec::new() }
    }

    #[on_message]
    async fn on_message(&mut self, cx: &Context<Self>, entry: Entry) {
        match entry {
            Entry::Number(number) => {
                self.entries.push(number);
                let _ = cx.send(number).await;
            }
            Entry::Text(text) => self.entries.push(text.len() as u64),
            Entry::Crash => process::abort(),
            Entry::Panic => panic!("a bad entry"),
        }
    }

    pub fn push(&mut self, number: u64) {
        self.entries.push(number);
    }

    pub fn entries(&self) -> Vec<u64> {
        self.entries.clone()
    }

    pub fn pause(&self, millis: u32) {
        thread::sleep(millis * MILLISECOND);
    }

    pub fn crash_after(&self, millis: u32) {
        thread::sleep(millis * MILLISECOND);
        process::abort();
    }
}

/// A set whose `#[on_message]` is left out.
#[derive(Serialize, Deserialize)]
pub struct Sometimes;

#[define(wire)]
impl Sometimes {
    #[cfg(any())]
    #[on_message]
    fn on_message(&self, _message: u8) {}

    #[cfg(not(any()))]
    pub fn nine() -> u8 {
        9
    }
}

// ----- the parent

fn builder(lag: LagPolicy) -> ProcessServiceBuilder<Counter> {
    ended_with(0, lag)
}

fn ended_with(last_words: u64, lag: LagPolicy) -> ProcessServiceBuilder<Counter> {
    let restart = Restart::on_panic().backoff(Backoff::none());
    ProcessService::builder(Counter::service(10, last_words).restart(restart).outbox(lag)).pass_stderr(false)
}

fn counter() -> ProcessService<Counter> {
    builder(LagPolicy::default()).launch().wait().expect("it starts")
}

fn totals(range: std::ops::RangeInclusive<u64>) -> Vec<Event> {
    range.map(Event::Total).collect()
}

fn every_receiver_gets_the_events_in_order() {
    let counter = counter();
    let (sender, heard) = mpsc::channel();
    let _listening = counter.on_message(move |event| drop(sender.send(event))).expect("the global pool starts");
    let mut events = counter.control().events();
    let high = counter.wait_for(|event| *event == Event::Total(900));
    let jobs: Vec<_> = (11..=1_000).map(|_| counter.bump(1).submit()).collect();
    let expected = totals(11..=1_000);
    for event in &expected {
        assert_eq!(events.recv().wait().as_ref(), Ok(event));
    }
    assert_eq!(heard.iter().take(991).collect::<Vec<_>>(), totals(10..=1_000), "the first one gets what was kept");
    assert_eq!(high.wait(), Ok(Event::Total(900)));
    assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
}

fn event_arrives_before_the_output_of_its_task() {
    let counter = counter();
    let mut events = counter.control().events();
    assert_eq!(events.try_recv().expect("`#[init]` has sent it"), Event::Total(10));
    for total in 11..=500 {
        assert!(matches!(counter.bump(1).wait(), Ok(now) if now == total));
        assert_eq!(events.try_recv().expect("it is there"), Event::Total(total));
    }
    assert!(matches!(counter.bump_later(1).wait(), Ok(501)));
    assert_eq!(events.try_recv().expect("it is there"), Event::Total(501));
    for total in 502..=1_000 {
        assert!(matches!(pollster::block_on(counter.bump(1).into_future()), Ok(now) if now == total));
        assert_eq!(events.try_recv().expect("it is there"), Event::Total(total));
    }
}

fn event_arrives_while_no_call_runs() {
    let counter = counter();
    let mut events = counter.control().events();
    assert!(counter.send_after_the_end().wait().is_ok());
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
    assert_eq!(events.recv().wait_timeout(10 * SECOND).expect("it arrives"), Ok(Event::Total(9)));
}

fn events_of_the_end_arrive_before_the_end() {
    let counter = ended_with(3, LagPolicy::default()).launch().wait().expect("it starts");
    let events = counter.control().events();
    counter.close().wait().expect("it ends in order");
    let expected = [totals(10..=10), totals(1..=3)].concat();
    assert_eq!(events.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(counter.control().events().recv().wait(), Err(RecvError::Closed));
}

fn sender_waits_for_a_slow_receiver() {
    let counter = builder(LagPolicy::Wait(4)).launch().wait().expect("it starts");
    let mut events = counter.control().events();
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
    let job = counter.fill().submit();
    thread::sleep(100 * MILLISECOND); // nothing ends the call: there is no event to wait for
    assert!(!job.is_finished(), "its output is behind events that have no room");
    let mut number = 0;
    while !job.is_finished() {
        if let Ok(event) = events.recv().wait_timeout(20 * MILLISECOND) {
            number += 1;
            assert_eq!(event, Ok(Event::Total(number)));
        }
    }
    let last = job.wait().expect("it runs");
    while number < last {
        number += 1;
        assert_eq!(events.recv().wait(), Ok(Event::Total(number)));
    }
    assert!(events.try_recv().is_err());
    assert!(matches!(counter.bump(1).wait(), Ok(11)));
}

fn wait_for_room_ends_at_its_limit() {
    let counter = builder(LagPolicy::Wait(4)).launch().wait().expect("it starts");
    let events = counter.control().events();
    let job = counter.fill_and_wait().submit();
    // Longer than the limit of the task's wait. Under Wine the socket fills slowly.
    thread::sleep(if cfg!(windows) { 10 * SECOND } else { 200 * MILLISECOND });
    drop(events); // and the output has room
    assert!(matches!(job.wait(), Ok(true)));
}

fn slow_receiver_learns_how_many_were_lost() {
    let counter = builder(LagPolicy::DropOldest(2)).launch().wait().expect("it starts");
    let mut events = counter.control().events();
    for total in 11..=20 {
        assert!(matches!(counter.bump(1).wait(), Ok(now) if now == total));
    }
    assert_eq!(events.recv().wait(), Err(RecvError::Lost(9)));
    assert_eq!(events.recv().wait(), Ok(Event::Total(19)));
}

fn task_that_waits_for_room_stops_when_asked() {
    let counter = builder(LagPolicy::Wait(1)).grace(10 * SECOND).launch().wait().expect("it starts");
    let events = counter.control().events();
    let pid = counter.info().pid;
    let file = env::temp_dir().join(format!("nanolith-messages-{}", process::id()));
    let job = counter.flood(file.display().to_string()).submit();
    thread::sleep(100 * MILLISECOND); // the socket is full
    job.cancel();
    let start = Instant::now();
    while fs::remove_file(&file).is_err() {
        assert!(start.elapsed() < 5 * SECOND, "it is not asked");
        thread::sleep(MILLISECOND);
    }
    drop(events);
    assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    assert_eq!(counter.info().pid, pid);
}

fn kill_does_not_wait_for_a_slow_receiver() {
    let counter = builder(LagPolicy::Wait(1)).launch().wait().expect("it starts");
    let mut events = counter.control().events();
    let start = Instant::now();
    let outcome = counter.flood_for_ever().timeout(50 * MILLISECOND).wait();
    assert!(matches!(outcome, Err(CallError::Killed(_))), "{outcome:?}");
    assert!(start.elapsed() < 4 * SECOND, "{:?}", start.elapsed());
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
}

fn terminate_does_not_wait_for_a_slow_receiver() {
    let counter = builder(LagPolicy::Wait(1)).launch().wait().expect("it starts");
    let _events = counter.control().events();
    let start = Instant::now();
    let job = counter.flood_for_ever().submit();
    thread::sleep(100 * MILLISECOND); // mostly, the socket is full by then
    counter.terminate().wait().expect("it ends in order");
    assert!(matches!(job.wait(), Err(CallError::Killed(_))));
    assert!(start.elapsed() < 4 * SECOND, "{:?}", start.elapsed());
}

fn events_of_an_ended_child_wait_for_a_slow_receiver() {
    let counter = ended_with(500, LagPolicy::Wait(4)).launch().wait().expect("it starts");
    let mut events = counter.control().events();
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
    let end = counter.close();
    thread::sleep(200 * MILLISECOND); // the child has ended, or has filled the socket
    assert_eq!(events.into_iter().collect::<Vec<_>>(), totals(1..=500));
    end.wait().expect("it ends in order");
}

fn receiver_that_never_takes_does_not_keep_a_service_open() {
    let counter = ended_with(500, LagPolicy::Wait(4)).launch().wait().expect("it starts");
    let events = counter.control().events();
    let start = Instant::now();
    assert!(counter.close().wait_timeout(20 * SECOND).is_ok());
    assert!(start.elapsed() < 8 * SECOND, "{:?}", start.elapsed());
    assert_eq!(events.into_iter().count(), 4, "as many as it may have ahead");
}

fn receiver_outlives_a_restart() {
    let counter = counter();
    let mut events = counter.control().events();
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
    assert!(matches!(counter.crash().wait(), Err(CallError::Crashed(_))));
    assert!(matches!(counter.bump(1).wait(), Ok(11)));
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
    assert_eq!(events.recv().wait(), Ok(Event::Total(11)));
}

fn event_that_cannot_be_encoded_is_given_back() {
    let counter = builder(LagPolicy::default()).max_message(2_000).launch().wait().expect("it starts");
    assert!(matches!(counter.send_text(3_000).wait(), Ok(Err(3_000))));
    assert!(matches!(counter.try_send_text(3_000).wait(), Ok(true)));
    let text = counter.wait_for(|event| matches!(event, Event::Text(_)));
    assert!(matches!(counter.send_text(1_000).wait(), Ok(Ok(1))));
    assert_eq!(text.wait(), Ok(Event::Text("x".repeat(1_000))));
}

fn large_events_pass() {
    let counter = counter();
    let mut events = counter.control().events();
    assert_eq!(events.recv().wait(), Ok(Event::Total(10)));
    for _ in 0..5 {
        assert!(matches!(counter.send_text(3_000_000).wait(), Ok(Ok(1))));
        assert!(matches!(events.recv().wait(), Ok(Event::Text(text)) if text.len() == 3_000_000));
    }
}

fn event_whose_decoding_panics_kills_the_child() {
    let counter = counter();
    let error = counter.send_broken().wait().expect_err("it is killed");
    assert!(matches!(error, CallError::Crashed(_)), "{error}");
    assert!(error.to_string().contains("an event whose decoding panics"), "{error}");
    assert!(matches!(counter.bump(1).wait(), Ok(11)));
}

fn members_of_a_cluster_have_their_own_events() {
    let counters = ProcessCluster::launch(2, || builder(LagPolicy::default())).wait().expect("it starts");
    let members = counters.control().members();
    let mut events: Vec<_> = members.iter().map(|member| member.control().events()).collect();
    assert!(matches!(members[1].bump(5).wait(), Ok(15)));
    assert_eq!(events[1].recv().wait(), Ok(Event::Total(10)));
    assert_eq!(events[1].recv().wait(), Ok(Event::Total(15)));
    assert_eq!(events[0].recv().wait(), Ok(Event::Total(10)));
    assert!(events[0].try_recv().is_err());
}

fn ledger_with(
    set: impl FnOnce(ServiceBuilder<Ledger, Infallible, ()>) -> ServiceBuilder<Ledger, Infallible, ()>,
) -> ProcessService<Ledger> {
    let service = Ledger::service().restart(Restart::on_panic().backoff(Backoff::none()));
    ProcessService::builder(set(service)).pass_stderr(false).launch().wait().expect("it starts")
}

fn ledger() -> ProcessService<Ledger> {
    ledger_with(|service| service)
}

fn messages_and_calls_keep_their_order() {
    let ledger = ledger_with(|service| service.max_queue(10_000));
    let mut pushes = Vec::new();
    for number in 0..300 {
        match number % 3 {
            0 => ledger.send(Entry::Number(number)).wait().expect("it is open"),
            1 => pushes.push(ledger.push(number).submit()),
            _ => ledger.try_send(Entry::Number(number)).expect("there is room"),
        }
    }
    pollster::block_on(async { ledger.send(Entry::Number(300)).await }).expect("it is open");
    assert_eq!(ledger.entries().wait().expect("it runs"), (0..=300).collect::<Vec<_>>());
    assert_eq!(ledger.info().in_flight, 0);
}

fn message_waits_behind_a_running_call() {
    let ledger = ledger();
    let mut events = ledger.control().events();
    let pause = ledger.pause(500).submit();
    ledger.send(Entry::Number(1)).wait().expect("it is open");
    assert!(!pause.is_finished(), "the send waits for no handler");
    assert_eq!(events.recv().wait(), Ok(1));
    assert!(pause.is_finished());
}

fn full_queue_gives_a_message_back() {
    let ledger = ledger_with(|service| service.max_queue(1));
    let pause = ledger.pause(300).submit();
    while ledger.info().queue_len > 0 {
        thread::yield_now();
    }
    ledger.try_send(Entry::Number(1)).expect("there is room for one");
    let refused = ledger.try_send(Entry::Number(2)).expect_err("there is no room");
    assert!(refused.is_full());
    assert_eq!(refused.into_inner(), Entry::Number(2));
    let pending = ledger.send(Entry::Number(3)).wait_timeout(MILLISECOND).expect_err("there is no room");
    assert_eq!(pending.into_inner(), Some(Entry::Number(3)));
    ledger.send(Entry::Number(4)).wait().expect("there is room, in the end");
    assert!(pause.wait().is_ok());
    assert_eq!(ledger.entries().wait().expect("it runs"), [1, 4]);
}

fn waiting_messages_run_on_the_new_state() {
    let restart = || Restart::on_panic().backoff(Backoff::none());
    // Under the second one, messages may be sent to the child ahead of the end of short calls.
    for restart in [restart(), restart().except_in_tasks()] {
        let ledger = ledger_with(|service| service.restart(restart));
        (0..50).for_each(|_| ledger.push(0).wait().expect("it runs"));
        let crash = ledger.crash_after(50).submit();
        for number in 2..=20 {
            ledger.send(Entry::Number(number)).wait().expect("it is open");
        }
        assert!(matches!(crash.wait(), Err(CallError::Crashed(_))));
        assert_eq!(ledger.entries().wait().expect("it runs"), (2..=20).collect::<Vec<_>>());
    }
}

fn message_at_the_death_of_the_child_is_not_run_again() {
    let ledger = ledger();
    ledger.send(Entry::Number(1)).wait().expect("it is open");
    ledger.send(Entry::Crash).wait().expect("it is open");
    ledger.send(Entry::Number(2)).wait().expect("it is open");
    assert_eq!(ledger.entries().wait().expect("it runs"), [2]);
    assert_eq!(ledger.info().restarts, 1);
}

fn panic_of_a_handler_follows_the_restart_policy() {
    for (restart, kept) in [(Restart::on_panic().backoff(Backoff::none()), 1), (Restart::never(), 2)] {
        let ledger = ledger_with(|service| service.restart(restart));
        ledger.send(Entry::Number(1)).wait().expect("it is open");
        ledger.send(Entry::Panic).wait().expect("it is open");
        ledger.send(Entry::Number(2)).wait().expect("it is open");
        assert_eq!(ledger.entries().wait().expect("it runs").len(), kept);
    }
}

fn close_handles_accepted_messages_and_refuses_others() {
    let ledger = ledger();
    let events = ledger.control().events();
    (1..=100).for_each(|number| ledger.send(Entry::Number(number)).wait().expect("it is open"));
    let end = ledger.close();
    let refused = ledger.send(Entry::Number(0)).wait().expect_err("it is closed");
    assert!(matches!(refused.error(), CallError::Closed(_)), "{}", refused.error());
    assert_eq!(refused.into_inner(), Entry::Number(0));
    assert_eq!(events.into_iter().collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    end.wait().expect("it ends in order");
}

fn message_that_cannot_be_encoded_is_given_back() {
    let builder = ProcessService::builder(Ledger::service()).max_message(2_000);
    let ledger = builder.launch().wait().expect("it starts");
    let text = Entry::Text("x".repeat(3_000));
    let refused = ledger.send(text.clone()).wait().expect_err("it is too large");
    assert!(matches!(refused.error(), CallError::Rejected(..)), "{}", refused.error());
    assert_eq!(refused.into_inner(), text);
    assert_eq!(ledger.try_send(text.clone()).map_err(SubmitError::into_inner), Err(text));
    ledger.send(Entry::Text("x".repeat(1_000))).wait().expect("it is small");
    assert_eq!(ledger.entries().wait().expect("it runs"), [1_000]);
}

fn members_of_a_cluster_take_messages() {
    let counters = ProcessCluster::launch(2, || ProcessService::builder(Ledger::service())).wait().expect("it starts");
    counters.send(Entry::Number(1)).wait().expect("it is open");
    counters.try_send(Entry::Number(2)).expect("there is room");
    assert_eq!(counters.control().send_all(&Entry::Number(3)), 2);
    let members = counters.control().members();
    let mut all: Vec<_> = members.iter().flat_map(|member| member.entries().wait().expect("it runs")).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 3]);
}

fn handler_that_is_left_out_leaves_the_set_served() {
    let pool = ProcessPool::builder().max_children(1).build().expect("the settings are right");
    assert!(matches!(Sometimes::on(&pool).nine().wait(), Ok(9)));
}

macro_rules! trials {
    ($($name:ident)*) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() {
    nanolith_process::init().serve::<(Counter, Ledger, Sometimes)>();
    let trials = trials! {
        every_receiver_gets_the_events_in_order
        event_arrives_before_the_output_of_its_task
        event_arrives_while_no_call_runs
        events_of_the_end_arrive_before_the_end
        sender_waits_for_a_slow_receiver
        wait_for_room_ends_at_its_limit
        slow_receiver_learns_how_many_were_lost
        task_that_waits_for_room_stops_when_asked
        kill_does_not_wait_for_a_slow_receiver
        terminate_does_not_wait_for_a_slow_receiver
        events_of_an_ended_child_wait_for_a_slow_receiver
        receiver_that_never_takes_does_not_keep_a_service_open
        receiver_outlives_a_restart
        event_that_cannot_be_encoded_is_given_back
        large_events_pass
        event_whose_decoding_panics_kills_the_child
        members_of_a_cluster_have_their_own_events
        messages_and_calls_keep_their_order
        message_waits_behind_a_running_call
        full_queue_gives_a_message_back
        waiting_messages_run_on_the_new_state
        message_at_the_death_of_the_child_is_not_run_again
        panic_of_a_handler_follows_the_restart_policy
        close_handles_accepted_messages_and_refuses_others
        message_that_cannot_be_encoded_is_given_back
        members_of_a_cluster_take_messages
        handler_that_is_left_out_leaves_the_set_served
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
