//! Tests of the behaviours of React's scheduler, on a [`Local`]. Its host is a loop that receives
//! posted messages, like a browser's loop.
//!
//! Each test is named after the behaviour that it shows.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Local,
    call::with_priority,
    prelude::*,
    task::Step,
    time::{MILLISECOND, MockClock, SECOND},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The lines that ran, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn note(&self, name: &'static str) {
        self.0.lock().expect("no holder panics").push(name);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().expect("no holder panics"))
    }
}

/// The data of the tasks: `cx.data()`.
#[derive(Clone)]
pub struct Stage {
    log: Log,
    clock: MockClock,
}

pub struct Play;

#[define]
impl Play {
    pub fn say(cx: &Context<Self>, line: &'static str) {
        stage(cx).log.note(line);
    }

    /// Says a line, and takes a while.
    pub fn say_for(cx: &Context<Self>, line: &'static str, takes: Duration) {
        stage(cx).clock.advance(takes);
        stage(cx).log.note(line);
    }

    pub fn say_and_break(cx: &Context<Self>, line: &'static str) {
        stage(cx).log.note(line);
        panic!("{line}");
    }

    pub fn say_and_ask(cx: &Context<Self>, local: Local, line: &'static str, next: &'static str) {
        stage(cx).log.note(line);
        Play::on(&local).say(next).priority(Priority::Immediate).submit().detach();
    }

    /// Continues until it should yield. Returns how long that took.
    pub fn block_until_asked_to_yield(cx: &Context<Self>) -> Duration {
        let begun = stage(cx).clock.elapsed();
        while !cx.should_yield() {
            stage(cx).clock.advance(MILLISECOND);
        }
        stage(cx).clock.elapsed() - begun
    }
}

fn stage(cx: &Context<Play>) -> &Stage {
    cx.data().expect("the local was built with it")
}

/// A local in a loop that counts the messages posted to it.
struct Host {
    clock: MockClock,
    log: Log,
    posted: Arc<AtomicUsize>,
    local: Local,
    play: PlayCalls<Local>,
}

impl Host {
    fn run(test: impl FnOnce(Self)) {
        let (clock, log) = (MockClock::new(), Log::default());
        clock.run(|| {
            let data = Stage { log: log.clone(), clock: clock.clone() };
            let local = Local::builder().data(data).build().expect("sound");
            let posted = Arc::new(AtomicUsize::new(0));
            let post = posted.clone();
            local.on_work(move |_| {
                post.fetch_add(1, Ordering::Relaxed);
            });
            let play = Play::on(&local);
            test(Self { clock: clock.clone(), log, posted, local, play });
        });
    }

    /// Returns how many messages were posted since the last call.
    fn posted(&self) -> usize {
        self.posted.swap(0, Ordering::Relaxed)
    }

    /// Handles one message. Returns the lines that ran, and whether there is more work.
    fn message(&self) -> (Vec<&'static str>, bool) {
        let turn = self.local.run_slice();
        (self.log.take(), turn.has_work())
    }

    /// Runs `tasks` tasks.
    fn flush(&self, tasks: usize) -> Vec<&'static str> {
        (0..tasks).for_each(|_| assert!(self.local.run_one()));
        self.log.take()
    }

    fn flush_expired(&self) -> Vec<&'static str> {
        self.local.run_expired();
        self.log.take()
    }

    fn flush_all(&self) -> Vec<&'static str> {
        self.local.flush_all(&self.clock);
        self.log.take()
    }

    fn say(&self, line: &'static str, priority: Priority) {
        self.play.say(line).priority(priority).submit().detach();
    }

    fn say_for(&self, line: &'static str, priority: Priority, takes: Duration) {
        self.play.say_for(line, takes).priority(priority).submit().detach();
    }
}

// ----- in the host's loop

#[test]
fn task_runs_in_the_host_message_posted_for_it() {
    Host::run(|host| {
        host.say("task", Priority::Normal);
        assert_eq!((host.posted(), host.log.take()), (1, vec![]));
        assert_eq!(host.message(), (vec!["task"], false));
    });
}

#[test]
fn tasks_share_a_host_message() {
    Host::run(|host| {
        host.say("A", Priority::Normal);
        host.say("B", Priority::Normal);
        assert_eq!(host.posted(), 1);
        assert_eq!(host.message(), (vec!["A", "B"], false));
    });
}

#[test]
fn used_up_time_leaves_the_rest_to_another_message() {
    Host::run(|host| {
        host.say_for("A", Priority::Normal, Duration::from_millis(4_999));
        host.say("B", Priority::Normal);
        assert_eq!(host.message(), (vec!["A"], true));
        assert_eq!(host.message(), (vec!["B"], false));
    });
}

#[test]
fn cancelled_task_never_runs_and_may_be_cancelled_again() {
    Host::run(|host| {
        let job = host.play.say("task").submit();
        job.cancel();
        job.cancel();
        assert_eq!((host.posted(), host.message()), (1, (vec![], false)));
        job.cancel();
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    });
}

#[test]
fn error_belongs_to_its_task_and_the_others_run() {
    Host::run(|host| {
        let job = host.play.say_and_break("oops").submit();
        host.say("fine", Priority::Normal);
        assert_eq!(host.message(), (vec!["oops", "fine"], false));
        assert!(matches!(job.wait(), Err(CallError::Panicked(panic, _)) if panic.message() == "oops"));
    });
}

#[test]
fn new_message_is_posted_after_an_empty_queue() {
    Host::run(|host| {
        for line in ["A", "B"] {
            host.say(line, Priority::Normal);
            assert_eq!(host.posted(), 1);
            assert_eq!(host.message(), (vec![line], false));
        }
    });
}

#[test]
fn new_message_is_posted_after_a_cancellation() {
    Host::run(|host| {
        host.play.say("A").submit().cancel();
        assert_eq!((host.posted(), host.message()), (1, (vec![], false)));
        host.say("B", Priority::Normal);
        assert_eq!((host.posted(), host.message()), (1, (vec!["B"], false)));
    });
}

#[test]
fn task_should_yield_after_five_milliseconds() {
    Host::run(|host| {
        let job = host.play.block_until_asked_to_yield().submit();
        host.message();
        let took = job.wait().expect("it ran");
        assert!((5 * MILLISECOND..=6 * MILLISECOND).contains(&took), "{took:?}");
    });
}

// ----- order

#[test]
fn flush_runs_work_in_parts() {
    Host::run(|host| {
        ["A", "B", "C", "D"].into_iter().for_each(|line| host.say(line, Priority::Normal));
        assert_eq!(host.flush(2), ["A", "B"]);
        assert_eq!(host.flush(1), ["C"]);
        assert_eq!(host.flush_all(), ["D"]);
    });
}

#[test]
fn flush_skips_cancelled_work() {
    Host::run(|host| {
        host.say("A", Priority::Normal);
        let job = host.play.say("B").submit();
        host.say("C", Priority::Normal);
        job.cancel();
        assert_eq!(host.flush_all(), ["A", "C"]);
    });
}

#[test]
fn highest_priority_is_first_and_ties_keep_their_order() {
    Host::run(|host| {
        host.say("A", Priority::Normal);
        host.say("B", Priority::Normal);
        assert_eq!(host.flush(1), ["A"]);
        host.say("C", Priority::UserBlocking);
        host.say("D", Priority::UserBlocking);
        assert_eq!(host.flush_all(), ["C", "D", "B"]);
    });
}

#[test]
fn all_five_priorities_are_in_order() {
    Host::run(|host| {
        let lines = ["immediate", "user blocking", "normal", "low", "idle"];
        lines.into_iter().zip(Priority::ALL).rev().for_each(|(line, priority)| host.say(line, priority));
        assert_eq!(host.flush_all(), lines);
    });
}

#[test]
fn expired_work_runs_without_time_left() {
    Host::run(|host| {
        let takes = 100 * MILLISECOND;
        host.say_for("A", Priority::Normal, takes);
        host.say_for("B", Priority::UserBlocking, takes);
        host.say_for("C", Priority::UserBlocking, takes);
        host.clock.advance(249 * MILLISECOND);
        assert_eq!(host.flush_expired(), Vec::<&str>::new());
        host.say_for("D", Priority::Normal, takes);
        host.say_for("E", Priority::Normal, takes);
        host.clock.advance(MILLISECOND);
        assert_eq!(host.flush_expired(), ["B", "C"]);
        host.clock.advance(4_550 * MILLISECOND); // 5,000 ms in all
        assert_eq!(host.flush_expired(), ["A"]);
        assert_eq!(host.flush_expired(), Vec::<&str>::new());
        assert_eq!(host.flush_all(), ["D", "E"]);
    });
}

#[test]
fn expired_work_continues_when_the_slice_is_over() {
    Host::run(|host| {
        ["A", "B", "C"].into_iter().for_each(|line| host.say_for(line, Priority::UserBlocking, 10 * MILLISECOND));
        host.say("normal", Priority::Normal);
        host.clock.advance(250 * MILLISECOND);
        assert_eq!(host.message(), (vec!["A", "B", "C"], true), "a slice is 5 ms");
        assert_eq!(host.message(), (vec!["normal"], false));
    });
}

#[test]
fn normal_work_expires_after_five_seconds() {
    Host::run(|host| {
        host.say("A", Priority::Normal);
        host.clock.advance(Duration::from_millis(4_999));
        assert_eq!(host.flush_expired(), Vec::<&str>::new());
        host.clock.advance(MILLISECOND);
        assert_eq!(host.flush_expired(), ["A"]);
    });
}

#[test]
fn idle_work_expires_after_days() {
    Host::run(|host| {
        host.say("idle", Priority::Idle);
        host.clock.advance(Duration::from_millis((1 << 30) - 2));
        assert_eq!(host.flush_expired(), Vec::<&str>::new());
        host.clock.advance(MILLISECOND);
        assert_eq!(host.flush_expired(), ["idle"]);
    });
}

// ----- immediate work

#[test]
fn immediate_work_waits_for_the_next_turn_and_then_ends() {
    Host::run(|host| {
        ["A", "B", "C", "D"].into_iter().for_each(|line| host.say(line, Priority::Immediate));
        assert_eq!(host.log.take(), Vec::<&str>::new());
        assert_eq!(host.flush_expired(), ["A", "B", "C", "D"]);
    });
}

#[test]
fn nested_immediate_work_goes_to_the_end_of_its_queue() {
    Host::run(|host| {
        host.say("A", Priority::Immediate);
        let nested = host.play.say_and_ask(host.local.clone(), "B", "C");
        nested.priority(Priority::Immediate).submit().detach();
        host.say("D", Priority::Immediate);
        assert_eq!(host.flush_expired(), ["A", "B", "D", "C"]);
    });
}

#[test]
fn immediate_work_runs_on_after_errors_of_other_work() {
    Host::run(|host| {
        let breaks = |line| host.play.say_and_break(line).priority(Priority::Immediate).submit();
        let first = breaks("A");
        host.say("B", Priority::Immediate);
        let second = breaks("C");
        assert_eq!(host.flush_expired(), ["A", "B", "C"]);
        for (job, line) in [(first, "A"), (second, "C")] {
            assert!(matches!(job.wait(), Err(CallError::Panicked(panic, _)) if panic.message() == line));
        }
    });
}

// ----- for a debugger

#[test]
fn pause_keeps_all_work_until_resume() {
    Host::run(|host| {
        host.local.pause();
        host.say("A", Priority::Immediate);
        assert_eq!(host.posted(), 0, "there is nothing to be done");
        assert_eq!(host.message(), (vec![], false));
        host.local.resume();
        assert_eq!(host.posted(), 1);
        assert_eq!(host.message(), (vec!["A"], false));
    });
}

pub struct Long;

/// Lines, each with its duration.
type Script = VecDeque<(&'static str, Duration)>;

#[define]
impl Long {
    /// Says one line after another, and yields when it should.
    #[task(sliced)]
    pub fn say_all(cx: &Context<Self>, script: Script) -> Step<()> {
        go_on(cx.clone(), script)
    }

    /// Says one line after another, and yields after each. For "B" it submits an urgent call.
    #[task(sliced)]
    pub fn say_each(cx: &Context<Self>, local: Local, script: Script) -> Step<()> {
        say_next(cx.clone(), local, script)
    }

    pub fn priority(cx: &Context<Self>) -> Priority {
        cx.priority()
    }

    /// Calls itself once more, by a nested call without a priority of its own.
    pub fn inherited(local: Local) -> Result<Priority, CallError> {
        Long::on(&local).priority().wait()
    }
}

fn set(cx: &Context<Long>) -> &Stage {
    cx.data().expect("the local was built with it")
}

fn go_on(cx: Context<Long>, mut script: Script) -> Step<()> {
    while let Some((line, takes)) = script.pop_front() {
        set(&cx).clock.advance(takes);
        set(&cx).log.note(line);
        if !script.is_empty() && cx.should_yield() {
            return Step::resume_with(move || go_on(cx, script));
        }
    }
    Step::Done(())
}

fn say_next(cx: Context<Long>, local: Local, mut script: Script) -> Step<()> {
    if let Some((line, takes)) = script.pop_front() {
        set(&cx).clock.advance(takes);
        set(&cx).log.note(line);
        if line == "B" {
            Play::on(&local).say("urgent").priority(Priority::UserBlocking).submit().detach();
        }
    }
    if script.is_empty() { Step::Done(()) } else { Step::resume_with(move || say_next(cx, local, script)) }
}

fn script(lines: &[&'static str], takes: u64) -> Script {
    lines.iter().map(|line| (*line, Duration::from_millis(takes))).collect()
}

// ----- continuations

#[test]
fn continuation_runs_in_a_later_step_at_its_position() {
    Host::run(|host| {
        let takes = 100 * MILLISECOND;
        host.say_for("A", Priority::Normal, takes);
        host.say_for("B", Priority::Normal, takes);
        let job = Long::on(&host.local).say_all(script(&["C1", "C2", "C3"], 100)).submit();
        host.say_for("D", Priority::Normal, takes);
        host.say_for("E", Priority::Normal, takes);
        assert_eq!(host.flush(3), ["A", "B", "C1"]);
        assert!(!job.is_finished());
        assert_eq!(host.flush_all(), ["C2", "C3", "D", "E"]);
        job.wait().expect("it is done");
    });
}

#[test]
fn continuation_inherits_the_expiration() {
    Host::run(|host| {
        let script: Script = [("A", 125), ("B", 124), ("C", 100), ("D", 100)]
            .map(|(line, takes)| (line, Duration::from_millis(takes)))
            .into();
        Long::on(&host.local).say_all(script).priority(Priority::UserBlocking).submit().detach();
        assert_eq!(host.flush(2), ["A", "B"]); // 249 ms
        assert_eq!(host.flush_expired(), Vec::<&str>::new());
        host.clock.advance(MILLISECOND);
        assert_eq!(host.flush_expired(), ["C", "D"]);
    });
}

#[test]
fn more_urgent_work_runs_between_two_steps() {
    Host::run(|host| {
        Long::on(&host.local).say_all(script(&["A", "B", "C", "D"], 100)).submit().detach();
        assert_eq!(host.flush(1), ["A"]);
        host.say_for("urgent", Priority::UserBlocking, 100 * MILLISECOND);
        assert_eq!(host.flush_all(), ["urgent", "B", "C", "D"]);
    });
}

#[test]
fn more_urgent_nested_work_precedes_a_continuation() {
    Host::run(|host| {
        let long = Long::on(&host.local);
        long.say_each(host.local.clone(), script(&["A", "B", "C", "D"], 100)).submit().detach();
        assert_eq!(host.flush_all(), ["A", "B", "urgent", "C", "D"]);
    });
}

#[test]
fn task_cancelled_between_two_steps_does_not_continue() {
    Host::run(|host| {
        let job = Long::on(&host.local).say_each(host.local.clone(), script(&["yield", "continuation"], 0)).submit();
        assert_eq!(host.flush(1), ["yield"]);
        job.cancel();
        assert_eq!(host.flush_all(), Vec::<&str>::new());
        assert_eq!(host.local.info().in_flight, 0);
    });
}

#[test]
fn long_task_yields_and_continues_in_the_next_message() {
    Host::run(|host| {
        Long::on(&host.local).say_all(script(&["A", "B", "C", "D"], 3)).submit().detach();
        assert_eq!(host.posted(), 1);
        assert_eq!(host.message(), (vec!["A", "B"], true), "6 ms are more than 5");
        assert_eq!(host.message(), (vec!["C", "D"], false));
    });
}

#[test]
fn turn_ends_when_no_step_is_left() {
    Host::run(|host| {
        let long = Long::on(&host.local);
        long.say_each(host.local.clone(), script(&["A", "C", "D"], 0)).submit().detach();
        assert_eq!(host.message(), (vec!["A", "C", "D"], false));
    });
}

#[test]
fn task_should_yield_at_once_to_more_urgent_work() {
    Host::run(|host| {
        // It is the only task: it has its 5 ms.
        let alone = host.play.block_until_asked_to_yield().submit();
        host.message();
        assert!(alone.wait().expect("it ran") >= 5 * MILLISECOND);
        let disturbed = host.play.block_until_asked_to_yield().submit();
        let timer = host.play.say("urgent").priority(Priority::UserBlocking).after(2 * MILLISECOND).submit();
        assert_eq!(host.flush(1), Vec::<&str>::new());
        let took = disturbed.wait().expect("it ran");
        assert!(took < 5 * MILLISECOND, "{took:?}");
        host.flush_all();
        timer.wait().expect("it ran");
    });
}

// ----- the current priority

#[test]
fn scope_and_inner_scope_have_their_own_priorities() {
    Host::run(|host| {
        let long = Long::on(&host.local);
        let ask = || long.priority().submit();
        let (first, second, third, fourth, fifth) = {
            let first = ask();
            let (second, third, fourth, fifth) = with_priority(Immediate, || {
                let second = ask();
                let (third, fourth) = with_priority(Normal, || (ask(), with_priority(UserBlocking, ask)));
                (second, third, fourth, ask())
            });
            (first, second, third, fourth, fifth)
        };
        host.flush_all();
        let priorities = [first, second, third, fourth, fifth].map(|job| job.wait().expect("it ran"));
        use Priority::{Immediate, Normal, UserBlocking};
        assert_eq!(priorities, [Normal, Immediate, Normal, UserBlocking, Immediate]);
    });
}

#[test]
fn task_passes_its_priority_to_its_submissions() {
    Host::run(|host| {
        let long = Long::on(&host.local);
        let job = long.inherited(host.local.clone()).priority(Priority::UserBlocking).submit();
        host.flush_all();
        assert_eq!(job.wait().expect("it ran").expect("so did the inner one"), Priority::UserBlocking);
    });
}

#[test]
fn closure_keeps_a_scope_by_calling_with_priority() {
    // React wraps a callback with the current priority. Here a closure calls `with_priority`
    // itself.
    Host::run(|host| {
        let local = host.local.clone();
        let wrapped = |priority| {
            let long = Long::on(&local);
            move || with_priority(priority, || long.priority().submit())
        };
        let (normal, urgent) = (wrapped(Priority::Normal), wrapped(Priority::UserBlocking));
        let jobs = with_priority(Priority::Low, || [normal(), urgent()]);
        host.flush_all();
        assert_eq!(jobs.map(|job| job.wait().expect("it ran")), [Priority::Normal, Priority::UserBlocking]);
    });
}

// ----- delayed

fn say_after(host: &Host, line: &'static str, priority: Priority, ms: u64) -> Handle<Play, ()> {
    host.play.say(line).priority(priority).after(Duration::from_millis(ms)).submit()
}

#[test]
fn delayed_task_is_absent_before_it_is_due() {
    Host::run(|host| {
        say_after(&host, "A", Priority::Normal, 1_000).detach();
        assert_eq!(host.posted(), 0);
        host.clock.advance(Duration::from_millis(999));
        assert_eq!((host.posted(), host.message()), (0, (vec![], false)));
        host.clock.advance(MILLISECOND);
        assert_eq!((host.posted(), host.message()), (1, (vec!["A"], false)));
    });
}

#[test]
fn delayed_tasks_run_in_the_order_of_their_due_times() {
    Host::run(|host| {
        for (line, ms) in [("C", 300), ("A", 100), ("B", 200), ("D", 400)] {
            say_after(&host, line, Priority::Normal, ms).detach();
        }
        host.clock.advance(Duration::from_millis(399));
        assert_eq!(host.message(), (vec!["A", "B", "C"], false));
        host.clock.advance(MILLISECOND);
        assert_eq!(host.message(), (vec!["D"], false));
    });
}

#[test]
fn delayed_tasks_run_among_immediate_ones() {
    Host::run(|host| {
        let takes = 100 * MILLISECOND;
        let delayed = |line, ms| {
            let call = host.play.say_for(line, takes).after(Duration::from_millis(ms));
            call.submit().detach();
        };
        delayed("timer 2", 300);
        delayed("timer 1", 100);
        ["A", "B", "C", "D"].into_iter().for_each(|line| host.say_for(line, Priority::Normal, takes));
        // Each expires 5 s after it was due, so they run after the earlier calls.
        assert_eq!(host.flush_all(), ["A", "B", "C", "D", "timer 1", "timer 2"]);
    });
}

#[test]
fn more_urgent_delayed_task_runs_between_two_steps() {
    Host::run(|host| {
        Long::on(&host.local).say_all(script(&["A", "B", "C", "D"], 100)).submit().detach();
        let takes = 100 * MILLISECOND;
        let call = host.play.say_for("timer", takes).priority(Priority::UserBlocking).after(150 * MILLISECOND);
        call.submit().detach();
        assert_eq!(host.flush_all(), ["A", "B", "timer", "C", "D"]);
    });
}

#[test]
fn expiration_of_a_delayed_task_counts_from_its_due_time() {
    Host::run(|host| {
        say_after(&host, "A", Priority::Normal, 1_000).detach();
        host.clock.advance(Duration::from_millis(5_999));
        assert_eq!(host.flush_expired(), Vec::<&str>::new());
        host.clock.advance(MILLISECOND);
        assert_eq!(host.flush_expired(), ["A"]);
    });
}

#[test]
fn delayed_task_is_cancelled_before_and_after_its_due_time() {
    Host::run(|host| {
        let early = say_after(&host, "early", Priority::Normal, 1_000);
        let late = say_after(&host, "late", Priority::Normal, 1_000);
        say_after(&host, "A", Priority::Normal, 1_000).detach();
        early.cancel();
        assert!(matches!(early.wait(), Err(CallError::Cancelled(_))));
        host.clock.advance(SECOND);
        late.cancel();
        assert_eq!(host.message(), (vec!["A"], false));
        assert!(matches!(late.wait(), Err(CallError::Cancelled(_))));
    });
}
