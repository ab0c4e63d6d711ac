//! Loom tests of the slot, the allocation that an executor, a handle and other sides share: each
//! race of its protocol in every interleaving. Without loom they run on threads. `README.md` beside
//! this file names the races.

use super::{
    ancestry::Origin,
    call_ref::CallRef,
    header::Header,
    running_call::RunningCall,
    slot::{CoOwners, CompleteResult, EndReason, EndResult, Slot, TakeResult},
};
use crate::{error::ParentCall, meta::task_info::TaskInfo};
use std::{
    mem,
    panic::{Location, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Release, SeqCst},
        },
    },
    task::{Wake, Waker},
};

#[cfg(loom)]
use loom::{
    model,
    sync::{Arc as Board, atomic::AtomicBool},
    thread::{self, JoinHandle},
};
#[cfg(not(loom))]
use std::{
    sync::{Arc as Board, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

/// Runs a scenario without loom, often enough for the threads to meet in more than one way.
#[cfg(not(loom))]
fn model(scenario: impl Fn()) {
    let rounds = if cfg!(miri) { 4 } else { 200 };
    (0..rounds).for_each(|_| scenario());
}

/// Runs a scenario that shows a fault on few of the schedules that miri takes.
fn model_often(scenario: impl Fn() + Send + Sync + 'static) {
    #[cfg(miri)]
    (0..20).for_each(|_| scenario());
    #[cfg(not(miri))]
    model(scenario);
}

/// A point where two threads wait for each other, so that their next steps run at once. Under loom
/// it does nothing, since loom takes them in every order.
#[derive(Clone)]
struct Meeting(#[cfg(not(loom))] Arc<std::sync::Barrier>);

impl Meeting {
    fn of_two() -> Self {
        Self(
            #[cfg(not(loom))]
            Arc::new(std::sync::Barrier::new(2)),
        )
    }

    fn meet(&self) {
        #[cfg(not(loom))]
        self.0.wait();
    }
}

/// Runs a scenario too large for every interleaving. Loom takes those that interrupt a thread three
/// times at most.
fn model_bounded(scenario: impl Fn() + Send + Sync + 'static) {
    #[cfg(loom)]
    {
        let mut builder = model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(scenario);
    }
    #[cfg(not(loom))]
    model(scenario);
}

/// Runs a scenario of one thread.
fn alone(scenario: impl Fn() + Send + Sync + 'static) {
    #[cfg(loom)]
    model(scenario);
    #[cfg(not(loom))]
    scenario();
}

// ----- the scene

/// A slot with the header of real calls. Part of the header is plain memory, which miri checks more
/// strictly than atomics.
type Call = Slot<Value, Value, Header>;

fn meta() -> Header {
    const TASK: TaskInfo = TaskInfo::new("Set", "task", "slot::Set::task");
    Header::new(ParentCall { task: &TASK, submitted: Location::caller() }, None, None, Origin::default())
}

/// An input or an output that counts how often it was dropped.
#[derive(Debug)]
struct Value(Option<Arc<AtomicUsize>>);

impl Value {
    fn new() -> (Self, Drops) {
        let count = Arc::new(AtomicUsize::new(0));
        (Self(Some(count.clone())), Drops(count))
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let Some(count) = self.0.take() else { return };
        if count.fetch_add(1, SeqCst) > 0 {
            mem::forget(count); // a copy of a value that was dropped already: its reference is not ours to release
        }
    }
}

/// The number of times a [`Value`] was dropped.
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// A waker that counts its wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Woken {
    fn new() -> (Waker, Arc<Self>) {
        let woken = Arc::new(Self::default());
        (Waker::from(woken.clone()), woken)
    }

    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// A call, the output that its executor will store, and the drop counters of both.
struct Scene {
    call: CallRef<Call>,
    output: Option<Value>,
    drops: [Drops; 2],
}

impl Scene {
    fn new() -> Self {
        let ((input, in_drops), (output, out_drops)) = (Value::new(), Value::new());
        Self { call: CallRef::new(Slot::new(input, meta(), false)), output: Some(output), drops: [in_drops, out_drops] }
    }

    /// Creates a call that its executor has begun, with its input taken.
    fn running() -> Self {
        let scene = Self::new();
        assert!(scene.call.claim());
        drop(scene.call.take_input().expect("it was not taken before"));
        scene
    }

    /// Runs `act` with another owner of the call, on a new thread.
    fn beside<R: 'static + Send>(&self, act: impl FnOnce(CallRef<Call>) -> R + Send + 'static) -> JoinHandle<R> {
        let call = self.call.clone();
        thread::spawn(move || act(call))
    }

    /// Runs an executor that claims the call and runs it.
    fn executor(&mut self) -> JoinHandle<Ran> {
        let output = self.output();
        self.beside(move |call| run(call, output))
    }

    /// Completes the running call on a new thread.
    fn completer(&mut self) -> JoinHandle<Ran> {
        let output = self.output();
        self.beside(move |call| complete(call, output))
    }

    fn ender(&self, how: EndReason) -> JoinHandle<EndResult> {
        self.beside(move |call| call.end(how))
    }

    fn output(&mut self) -> Value {
        self.output.take().expect("there is one output")
    }

    /// Checks that the input and the output were each dropped once when the last owner is gone.
    fn finish(self) {
        let Self { call, output, drops } = self;
        drop((call, output));
        assert_eq!(drops.map(|drops| drops.count()), [1, 1], "drops of the input and of the output");
    }
}

/// The result of the executor's part.
#[derive(Debug, PartialEq, Eq)]
enum Ran {
    /// The executor could not claim the call.
    Declined,
    Delivered,
    /// The outcome came back.
    Unwanted,
}

fn run(call: CallRef<Call>, output: Value) -> Ran {
    if !call.claim() {
        return Ran::Declined;
    }
    drop(call.take_input().expect("the side that claims the call finds its input"));
    complete(call, output)
}

fn complete(call: CallRef<Call>, output: Value) -> Ran {
    match Slot::complete(call, CoOwners::NONE, output) {
        CompleteResult::Released | CompleteResult::Retained(_) => Ran::Delivered,
        CompleteResult::Rejected(..) => Ran::Unwanted,
    }
}

fn join<R>(thread: JoinHandle<R>) -> R {
    thread.join().expect("the other side does not panic")
}

fn is_outcome(taken: &TakeResult<Value>) -> bool {
    matches!(taken, TakeResult::Outcome(_))
}

fn is_ended(taken: &TakeResult<Value>, how: EndReason) -> bool {
    matches!(taken, TakeResult::Ended(end) if *end == how)
}

const ENDS: [EndReason; 9] = [
    EndReason::Cancelled,
    EndReason::TimedOut,
    EndReason::Full,
    EndReason::Dropped,
    EndReason::Closed,
    EndReason::Crashed,
    EndReason::Lost,
    EndReason::WouldDeadlock,
    EndReason::Unsupported,
];

// ----- one thread: the states

#[test]
fn call_goes_from_its_claim_to_its_outcome() {
    alone(|| {
        let mut scene = Scene::new();
        let call = scene.call.clone();
        assert!(call.is_queued() && !call.is_over());
        assert!(matches!(call.take(), TakeResult::NotYet));
        assert!(call.claim() && !call.claim(), "one claims it");
        assert!(!call.is_queued() && !call.is_over());
        assert!(call.take_input().is_some());
        assert!(call.take_input().is_none(), "the input is there once");
        assert_eq!(complete(call.clone(), scene.output()), Ran::Delivered);
        assert!(call.is_over() && !call.is_asked_to_stop());
        assert!(is_outcome(&call.take()));
        assert!(call.is_over());
        assert!(is_ended(&call.take(), EndReason::Lost), "the outcome is there once");
        drop(call);
        scene.finish();
    });
}

#[test]
fn every_end_reason_arrives_unchanged() {
    alone(|| {
        for how in ENDS {
            let scene = Scene::new();
            assert_eq!(scene.call.end(how), EndResult::Queued);
            assert!(is_ended(&scene.call.take(), how) && is_ended(&scene.call.take(), how));
            scene.finish();
        }
    });
}

#[test]
fn ended_call_keeps_its_end() {
    alone(|| {
        let mut done = Scene::running();
        assert_eq!(complete(done.call.clone(), done.output.take().expect("its output")), Ran::Delivered);
        assert_eq!(done.call.end(EndReason::Cancelled), EndResult::Over);
        assert!(!done.call.is_asked_to_stop() && is_outcome(&done.call.take()));
        assert_eq!(done.call.end(EndReason::Cancelled), EndResult::Over);
        done.finish();

        let ended = Scene::new();
        assert_eq!(ended.call.end(EndReason::TimedOut), EndResult::Queued);
        assert_eq!(ended.call.end(EndReason::Cancelled), EndResult::Over);
        assert!(!ended.call.claim() && ended.call.withdraw().is_none());
        assert!(is_ended(&ended.call.take(), EndReason::TimedOut));
        ended.finish();
    });
}

#[test]
fn ended_queued_call_drops_its_input_at_once() {
    alone(|| {
        let scene = Scene::new();
        assert_eq!(scene.call.end(EndReason::Cancelled), EndResult::Queued);
        assert_eq!(scene.drops[0].count(), 1);
        assert!(!scene.call.is_asked_to_stop(), "no thread runs it");
        assert!(scene.call.take_input().is_none());
        scene.finish();
    });
}

#[test]
fn ended_running_call_gets_its_outcome_back() {
    alone(|| {
        let mut scene = Scene::running();
        assert_eq!(scene.call.end(EndReason::TimedOut), EndResult::Running);
        assert!(scene.call.is_asked_to_stop());
        assert!(is_ended(&scene.call.take(), EndReason::TimedOut));
        let output = scene.output();
        assert_eq!(complete(scene.call.clone(), output), Ran::Unwanted);
        scene.finish();
    });
}

#[test]
fn ended_claimed_call_still_gives_its_input_to_its_claimer() {
    alone(|| {
        let scene = Scene::new();
        assert!(scene.call.claim());
        assert_eq!(scene.call.end(EndReason::Cancelled), EndResult::Running);
        assert_eq!(scene.drops[0].count(), 0, "the input is the claimer's");
        assert!(scene.call.take_input().is_some());
        scene.finish();
    });
}

#[test]
fn only_the_latest_waker_is_woken() {
    alone(|| {
        let scene = Scene::new();
        let ((first, first_woken), (second, second_woken)) = (Woken::new(), Woken::new());
        assert!(scene.call.register(&first) && scene.call.register(&second));
        scene.call.end(EndReason::Cancelled);
        assert_eq!((first_woken.count(), second_woken.count()), (0, 1));
        assert!(!scene.call.register(&first), "it is over");
        scene.finish();
    });
}

#[test]
fn removed_waker_is_neither_woken_nor_kept() {
    alone(|| {
        let scene = Scene::new();
        let (waker, woken) = Woken::new();
        assert!(scene.call.register(&waker));
        drop(waker);
        scene.call.drop_waker();
        assert_eq!(Arc::strong_count(&woken), 1, "the slot let go of it");
        scene.call.end(EndReason::Cancelled);
        assert_eq!(woken.count(), 0);
        scene.finish();
    });
}

#[test]
fn dropped_slot_drops_its_contents_once_in_any_state() {
    let steps: [fn(&mut Scene); 7] = [
        |_queued| {},
        |claimed| assert!(claimed.call.claim()),
        |claimed_and_ended| {
            assert!(claimed_and_ended.call.claim());
            assert_eq!(claimed_and_ended.call.end(EndReason::Cancelled), EndResult::Running);
        },
        |running| drop(running.call.withdraw().expect("it was queued")),
        |ended| assert_eq!(ended.call.end(EndReason::Closed), EndResult::Queued),
        |done| {
            let output = done.output();
            assert_eq!(run(done.call.clone(), output), Ran::Delivered);
        },
        |taken| {
            let output = taken.output();
            assert_eq!(run(taken.call.clone(), output), Ran::Delivered);
            assert!(is_outcome(&taken.call.take()));
        },
    ];
    alone(move || {
        for step in steps {
            let mut scene = Scene::new();
            assert!(scene.call.register(&Woken::new().0));
            step(&mut scene);
            scene.finish();
        }
    });
}

/// A value that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new("a destructor that throws"));
    }
}

#[test]
fn input_that_panics_in_drop_still_wakes_the_waiter() {
    alone(|| {
        let call: Slot<Bomb, (), Header> = Slot::new(Bomb, meta(), false);
        let (waker, woken) = Woken::new();
        assert!(call.register(&waker));
        assert_eq!(call.end(EndReason::Cancelled), EndResult::Queued);
        assert_eq!(woken.count(), 1);
    });
}

#[test]
fn last_owner_survives_a_panicking_destructor() {
    alone(|| {
        drop(CallRef::new(Slot::<Bomb, (), Header>::new(Bomb, meta(), false))); // still queued

        let done: CallRef<Slot<(), Bomb, Header>> = CallRef::new(Slot::new((), meta(), false));
        done.withdraw().expect("it was queued");
        assert!(
            matches!(Slot::complete(done, CoOwners::NONE, Bomb), CompleteResult::Retained(_)),
            "the last owner stays, to drop it"
        );
    });
}

#[test]
fn panicking_waker_does_not_reach_the_ending_side() {
    struct Throws;
    impl Wake for Throws {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("a waker that throws"));
        }
    }
    alone(|| {
        let mut scene = Scene::running();
        assert!(scene.call.register(&Waker::from(Arc::new(Throws))));
        let output = scene.output();
        assert_eq!(complete(scene.call.clone(), output), Ran::Delivered);
        assert!(is_outcome(&scene.call.take()));
        scene.finish();
    });
}

// ----- the outcome and the handle that waits for it

#[test]
fn outcome_is_found_at_once_or_its_waiter_is_woken() {
    model(|| {
        let mut scene = Scene::running();
        let (waker, woken) = Woken::new();
        let executor = scene.completer();
        let waits = scene.call.register(&waker);
        let taken = scene.call.take();
        assert!(waits || is_outcome(&taken), "who may not wait finds the outcome");
        assert_eq!(join(executor), Ran::Delivered);
        assert_eq!(woken.count(), usize::from(waits), "who may wait is woken once");
        assert!(is_outcome(&taken) || is_outcome(&scene.call.take()));
        drop(taken);
        scene.finish();
    });
}

#[test]
fn replaced_waker_is_not_woken_besides_the_latest() {
    model(|| {
        let mut scene = Scene::running();
        let ((first, first_woken), (second, second_woken)) = (Woken::new(), Woken::new());
        assert!(scene.call.register(&first));
        let executor = scene.completer();
        let waits = scene.call.register(&second);
        assert_eq!(join(executor), Ran::Delivered);
        assert_eq!(second_woken.count(), usize::from(waits));
        assert!(first_woken.count() + second_woken.count() <= 1, "one end, one wake");
        assert!(is_outcome(&scene.call.take()));
        scene.finish();
    });
}

#[test]
fn dropped_handle_leaves_the_outcome_to_the_executor() {
    model(|| {
        let mut scene = Scene::running();
        let (waker, woken) = Woken::new();
        assert!(scene.call.register(&waker));
        let executor = scene.completer();
        scene.call.drop_waker();
        let woken_before = woken.count();
        let Scene { call, output: _, drops } = scene;
        let _delivered_or_unwanted = join(executor);
        assert!(woken.count() <= 1);
        assert!(woken_before <= woken.count());
        drop(waker);
        assert_eq!(Arc::strong_count(&woken), 1, "no side keeps the waker");
        assert_eq!(drops.map(|drops| drops.count()), [1, 1], "though an owner is left");
        drop(call);
    });
}

#[test]
fn waker_may_take_the_outcome_while_it_is_woken() {
    struct Takes {
        call: CallRef<Call>,
        taken: Mutex<Option<TakeResult<Value>>>,
    }
    impl Wake for Takes {
        fn wake(self: Arc<Self>) {
            let taken = self.call.take();
            *self.taken.lock().expect("no holder panics") = Some(taken);
        }
    }
    model(|| {
        let mut scene = Scene::new();
        let takes = Arc::new(Takes { call: scene.call.clone(), taken: Mutex::new(None) });
        assert!(scene.call.register(&Waker::from(takes.clone())));
        let (executor, ender) = (scene.executor(), scene.ender(EndReason::Cancelled));
        let (ran, ended) = (join(executor), join(ender));
        let taken = takes.taken.lock().expect("no holder panics").take().expect("the side that ends the call wakes");
        match ended {
            EndResult::Over => assert!(ran == Ran::Delivered && is_outcome(&taken)),
            EndResult::Running => assert!(ran == Ran::Unwanted && is_ended(&taken, EndReason::Cancelled)),
            EndResult::Queued => assert!(ran == Ran::Declined && is_ended(&taken, EndReason::Cancelled)),
        }
        assert_eq!(Arc::strong_count(&takes), 1, "the slot let go of it");
        drop((taken, takes));
        scene.finish();
    });
}

// ----- the end from outside

#[test]
fn end_is_found_at_once_or_its_waiter_is_woken() {
    model(|| {
        let scene = Scene::new();
        let (waker, woken) = Woken::new();
        let ender = scene.ender(EndReason::TimedOut);
        let waits = scene.call.register(&waker);
        let taken = scene.call.take();
        assert!(waits || is_ended(&taken, EndReason::TimedOut));
        assert_eq!(join(ender), EndResult::Queued);
        assert_eq!(woken.count(), usize::from(waits));
        assert!(is_ended(&scene.call.take(), EndReason::TimedOut));
        scene.finish();
    });
}

#[test]
fn waker_replaced_or_dropped_during_an_end_is_safe() {
    model(|| {
        let scene = Scene::running();
        let ((first, first_woken), (second, second_woken)) = (Woken::new(), Woken::new());
        assert!(scene.call.register(&first));
        let ender = scene.ender(EndReason::Cancelled);
        let waits = scene.call.register(&second);
        scene.call.drop_waker();
        assert_eq!(join(ender), EndResult::Running);
        let woken = first_woken.count() + second_woken.count();
        assert!(woken <= 1, "one end, one wake");
        assert!(waits || second_woken.count() == 0);
        scene.finish();
    });
}

#[test]
fn call_ended_during_its_claim_is_run_or_dropped_once() {
    model(|| {
        let mut scene = Scene::new();
        let executor = scene.executor();
        let ended = scene.call.end(EndReason::Cancelled);
        let (ran, taken) = (join(executor), scene.call.take());
        match ended {
            EndResult::Queued => assert_eq!(ran, Ran::Declined),
            EndResult::Running => assert_eq!(ran, Ran::Unwanted),
            EndResult::Over => assert_eq!(ran, Ran::Delivered),
        }
        assert_eq!(is_outcome(&taken), ended == EndResult::Over);
        assert_eq!(is_ended(&taken, EndReason::Cancelled), ended != EndResult::Over);
        drop(taken);
        scene.finish();
    });
}

#[test]
fn call_ended_as_it_completes_has_one_outcome() {
    model(|| {
        let mut scene = Scene::running();
        let (waker, woken) = Woken::new();
        assert!(scene.call.register(&waker));
        let executor = scene.completer();
        let ended = scene.call.end(EndReason::Cancelled);
        let taken = scene.call.take();
        assert_eq!(join(executor), if ended == EndResult::Over { Ran::Delivered } else { Ran::Unwanted });
        assert_eq!(is_outcome(&taken), ended == EndResult::Over);
        assert_eq!(woken.count(), 1, "by the first side, never by both");
        drop(taken);
        scene.finish();
    });
}

#[test]
fn one_of_two_ending_sides_ends_the_call() {
    model(|| {
        let scene = Scene::new();
        let (waker, woken) = Woken::new();
        assert!(scene.call.register(&waker));
        let other = scene.ender(EndReason::TimedOut);
        let mine = scene.call.end(EndReason::Cancelled);
        let other = join(other);
        let (first, second) =
            if mine == EndResult::Queued { (EndReason::Cancelled, other) } else { (EndReason::TimedOut, mine) };
        assert_eq!(second, EndResult::Over);
        assert!(is_ended(&scene.call.take(), first));
        assert_eq!(woken.count(), 1);
        scene.finish();
    });
}

#[test]
fn abandoned_claimed_call_drops_its_input_with_its_last_owner() {
    model(|| {
        let scene = Scene::new();
        let claimer = scene.beside(|call| call.claim());
        let ender = scene.ender(EndReason::Crashed);
        let Scene { call, output, drops } = scene;
        drop((call, output));
        let (claimed, ended) = (join(claimer), join(ender));
        assert_eq!(ended, if claimed { EndResult::Running } else { EndResult::Queued });
        assert_eq!(drops.map(|drops| drops.count()), [1, 1]);
    });
}

#[test]
fn discarding_executor_and_ending_side_agree() {
    model(|| {
        let scene = Scene::new();
        assert!(scene.call.claim());
        let executor = scene.beside(|call| {
            let input = call.take_input();
            (input.is_some(), call.end(EndReason::Dropped))
        });
        let mine = scene.call.end(EndReason::Cancelled);
        let (had_input, theirs) = join(executor);
        assert!(had_input, "the claimer's, ended or not");
        let first = if mine == EndResult::Running { EndReason::Cancelled } else { EndReason::Dropped };
        assert!(is_ended(&scene.call.take(), first));
        assert_ne!(mine, theirs);
        scene.finish();
    });
}

// ----- a look at the input

#[test]
fn looked_at_input_is_still_there_for_executor() {
    alone(|| {
        let mut scene = Scene::new();
        assert_eq!(scene.call.with_input(|input| input.0.is_some()), Some(true));
        let output = scene.output();
        assert_eq!(run(scene.call.clone(), output), Ran::Delivered);
        assert!(scene.call.with_input(|_| ()).is_none(), "it is over");
        assert!(matches!(scene.call.take(), TakeResult::Outcome(_)));
        scene.finish();
    });
}

#[test]
fn look_at_input_meets_end() {
    model(|| {
        let mut scene = Scene::new();
        let ender = scene.beside(|call| call.end(EndReason::Cancelled));
        let seen = scene.call.with_input(|input| input.0.is_some());
        assert_ne!(seen, Some(false), "the input is there while it is looked at");
        let ended = ender.join().expect("it does not panic");
        assert_ne!(ended, EndResult::Over);
        if ended == EndResult::Running {
            assert!(seen.is_some(), "only the look claims the call");
        }
        drop(scene.output());
        scene.finish();
    });
}

#[test]
fn look_at_input_meets_executor() {
    model(|| {
        let mut scene = Scene::new();
        let executor = scene.executor();
        assert_ne!(scene.call.with_input(|input| input.0.is_some()), Some(false));
        if executor.join().expect("it does not panic") == Ran::Declined {
            assert!(scene.call.claim(), "the look gave the call back");
            drop(scene.call.take_input());
        }
        scene.finish();
    });
}

#[test]
fn panic_within_look_gives_call_back() {
    alone(|| {
        let scene = Scene::new();
        let look = || scene.call.with_input(|_| panic!("no luck"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_err());
        assert!(scene.call.is_queued());
        scene.call.end(EndReason::Cancelled);
        let Scene { call, output, .. } = scene;
        drop((call, output));
    });
}

/// A cell that loom watches: two accesses that no ordering separates are an error.
#[cfg(loom)]
struct Watched(loom::cell::UnsafeCell<()>);

// SAFETY: no code follows the pointer into the cell.
#[cfg(loom)]
#[allow(unsafe_code)] // loom's cell is not `Sync`, and a test shares it
unsafe impl Sync for Watched {}

#[cfg(loom)]
impl Watched {
    fn touch(&self) {
        self.0.with_mut(|_| ());
    }
}

#[cfg(loom)]
#[test]
fn observer_of_an_end_sees_what_happened_before_it() {
    let looks: [fn(&Call) -> bool; 2] = [Call::is_over, Call::is_asked_to_stop];
    for look in looks {
        model(move || {
            let scene = Scene::running();
            let theirs = Arc::new(Watched(loom::cell::UnsafeCell::new(())));
            let mine = theirs.clone();
            let ender = scene.beside(move |call| {
                theirs.touch();
                call.end(EndReason::Cancelled)
            });
            while !look(&scene.call) {
                thread::yield_now();
            }
            mine.touch();
            assert_eq!(join(ender), EndResult::Running);
            scene.finish();
        });
    }
}

#[test]
fn flag_set_beside_the_slot_sees_the_end_or_is_seen() {
    model(|| {
        let scene = Scene::running();
        let word = Board::new(AtomicBool::new(false));
        let left = word.clone();
        let ender = scene.beside(move |call| {
            call.end(EndReason::Cancelled);
            left.load(Acquire)
        });
        word.store(true, Release);
        scene.call.fence();
        let sees_the_end = scene.call.is_asked_to_stop();
        assert!(join(ender) || sees_the_end);
        scene.finish();
    });
}

#[test]
fn flag_set_during_completion_sees_it_or_is_seen() {
    model(|| {
        let mut scene = Scene::running();
        let output = scene.output();
        let word = Board::new(AtomicBool::new(false));
        let left = word.clone();
        let executor = scene.beside(move |call| match Slot::complete(call, CoOwners::NONE, output) {
            CompleteResult::Retained(call) => {
                drop(call);
                left.load(Acquire)
            }
            _ => false, // it did not check
        });
        word.store(true, Release);
        scene.call.fence();
        let sees_the_end = scene.call.is_over();
        assert!(join(executor) || sees_the_end);
        scene.finish();
    });
}

// ----- the owners

#[test]
fn completion_releases_the_slot_in_the_same_step() {
    alone(|| {
        let mut scene = Scene::running();
        let output = scene.output();
        let executor = scene.call.clone();
        assert!(matches!(Slot::complete(executor, CoOwners::NONE, output), CompleteResult::Released));
        assert!(is_outcome(&scene.call.take()));
        scene.finish();
    });
}

#[test]
fn executor_with_two_references_releases_both_at_once() {
    alone(|| {
        let mut scene = Scene::new();
        let output = scene.output();
        let executor = scene.call.clone();
        let (input, [second]) = Slot::claim_with_refs(&executor).expect("it is queued");
        assert!(Slot::claim_with_refs::<1>(&executor).is_none(), "once");
        drop(input);
        assert!(matches!(
            Slot::complete(executor, CoOwners { running: None, shown: Some(second) }, output),
            CompleteResult::Released
        ));
        assert!(is_outcome(&scene.call.take()));
        scene.finish();

        let Scene { call, mut output, drops } = Scene::new();
        let (input, [second]) = Slot::claim_with_refs(&call).expect("it is queued");
        drop(input);
        let output = output.take().expect("its output");
        assert!(
            matches!(
                Slot::complete(call, CoOwners { running: None, shown: Some(second) }, output),
                CompleteResult::Retained(_)
            ),
            "no other owner is left"
        );
        assert_eq!(drops.map(|drops| drops.count()), [1, 1]);
    });
}

#[test]
fn viewer_of_a_running_call_becomes_an_owner_or_finds_none() {
    model(|| {
        let mut scene = Scene::new();
        let output = scene.output();
        let spot = Board::new(RunningCall::new());
        let shown = spot.clone();
        let executor = scene.beside(move |call| {
            let (input, [second]) = Slot::claim_with_refs(&call).expect("it is queued");
            let at = shown.publish(second);
            drop(input);
            matches!(
                Slot::complete(call, CoOwners { running: None, shown: at.retract() }, output),
                CompleteResult::Rejected(..)
            )
        });
        let ended = spot.call().map(|call| call.end(EndReason::Closed));
        let taken = scene.call.take();
        let Scene { call, output: _, drops } = scene;
        drop(call);
        assert_eq!(join(executor), ended == Some(EndResult::Running));
        assert!(spot.call().is_none(), "it was taken back");
        drop(taken);
        assert_eq!(drops.map(|drops| drops.count()), [1, 1]);
    });
}

#[test]
fn resident_call_is_ended_by_its_viewer_or_ends_alone() {
    model(|| {
        let spot = Board::new(RunningCall::new());
        let shown = spot.clone();
        let executor = thread::spawn(move || {
            let mut resident = CallRef::new(Call::begun(meta()));
            let [running, replies] = Slot::begin_resident(&mut resident).expect("it has one owner");
            assert!(Slot::begin_resident(&mut resident).is_none(), "the run owns it");
            shown.show(&resident, || resident.is_alone());
            let (output, _drops) = Value::new();
            let was_ended = match Slot::end_resident(&resident, running, replies) {
                Ok(()) => false,
                Err((_running, replies)) => complete(replies, output) == Ran::Unwanted,
            };
            drop(resident);
            was_ended
        });
        let ended = spot.call().map(|call| call.end(EndReason::Closed));
        assert!(join(executor) || ended.is_none(), "no end is lost");
        assert!(spot.call().is_none(), "it was taken back");
    });
}

#[test]
fn executor_with_a_waiter_to_notify_retains_the_slot() {
    alone(|| {
        let mut scene = Scene::running();
        let (waker, woken) = Woken::new();
        assert!(scene.call.register(&waker));
        let output = scene.output();
        assert!(matches!(Slot::complete(scene.call.clone(), CoOwners::NONE, output), CompleteResult::Retained(_)));
        assert_eq!(woken.count(), 1);
        scene.finish();

        let mut scene = Scene::running();
        scene.call.fence();
        let output = scene.output();
        assert!(matches!(Slot::complete(scene.call.clone(), CoOwners::NONE, output), CompleteResult::Retained(_)));
        scene.finish();
    });
}

#[test]
fn boxed_input_is_dropped_once() {
    alone(|| {
        let mut scene = Scene::new();
        let call = scene.call.clone();
        let (input, [second]) = Slot::begin_shared_in::<Box<Value>, 1>(&call).expect("it is queued");
        assert!(call.take_input_in::<Box<Value>>().is_none(), "the input is there once");
        drop((input, second));
        assert_eq!(complete(call, scene.output()), Ran::Delivered);
        scene.finish();

        let mut scene = Scene::new();
        assert!(scene.call.claim());
        drop(scene.call.take_input_in::<Box<Value>>().expect("it was claimed"));
        let output = scene.output();
        assert_eq!(complete(scene.call.clone(), output), Ran::Delivered);
        scene.finish();
    });
}

#[test]
fn two_owners_release_at_once() {
    model_often(|| {
        let scene = Scene::new();
        let meeting = Meeting::of_two();
        let theirs = meeting.clone();
        let other = scene.beside(move |call| {
            theirs.meet();
            drop(call);
        });
        let Scene { call, output, drops } = scene;
        meeting.meet();
        drop(call);
        join(other);
        drop(output);
        assert_eq!(drops.map(|drops| drops.count()), [1, 1]);
    });
}

#[test]
fn last_owner_drops_the_contents_once() {
    model(|| {
        let mut scene = Scene::running();
        let executor = scene.completer();
        let onlooker = scene.beside(|call| drop(call.clone()));
        let Scene { call, output: _, drops } = scene;
        drop(call); // a handle that is dropped without a look
        assert_eq!(join(executor), Ran::Delivered);
        join(onlooker);
        assert_eq!(drops.map(|drops| drops.count()), [1, 1]);
    });
}

#[test]
fn taking_handle_and_releasing_executor_drop_values_once() {
    model(|| {
        let mut scene = Scene::running();
        let executor = scene.completer();
        let taken = scene.call.take();
        let Scene { call, output: _, drops } = scene;
        drop(call);
        assert_eq!(join(executor), Ran::Delivered);
        drop(taken);
        assert_eq!(drops.map(|drops| drops.count()), [1, 1]);
    });
}

// ----- the side that gets the input

#[test]
fn waiter_that_runs_its_call_delivers_or_learns_of_the_end() {
    model(|| {
        let mut scene = Scene::new();
        let output = scene.output();
        let (input, [run, running]) =
            Slot::claim_by_waiter::<Value, 2>(&scene.call).expect("no other side has begun it");
        drop(input);
        let ender = scene.ender(EndReason::Cancelled);
        let delivered = Slot::complete_here(run, running).is_ok();
        assert_eq!(join(ender), if delivered { EndResult::Over } else { EndResult::Running });
        assert_eq!(scene.call.was_ended(), !delivered);
        drop(output);
        scene.finish();
    });
}

#[test]
fn waiter_that_runs_its_call_leaves_the_entry_to_its_queue() {
    model(|| {
        let mut scene = Scene::new();
        let output = scene.output();
        let queue = scene.beside(|entry| {
            assert!(!entry.claim() || !entry.was_overtaken());
        });
        let claimed = Slot::claim_by_waiter::<Value, 2>(&scene.call);
        if let Some((input, [run, running])) = claimed {
            drop(input);
            assert!(Slot::complete_here(run, running).is_ok(), "no side ends it");
            assert!(scene.call.is_over());
        }
        join(queue);
        drop(output);
        scene.finish();
    });
}

#[test]
fn waiter_that_runs_its_call_leaves_notified_waits() {
    alone(|| {
        let mut scene = Scene::new();
        let output = scene.output();
        let (input, [run, running]) = Slot::claim_by_waiter::<Value, 2>(&scene.call).expect("it is queued");
        drop(input);
        scene.call.fence();
        let Err((run, running)) = Slot::complete_here(run, running) else { panic!("a wait may be registered") };
        drop(running);
        assert_eq!(complete(run, output), Ran::Delivered);
        assert!(is_outcome(&scene.call.take()));
        scene.finish();
    });
}

#[test]
fn call_begins_in_its_turn_or_is_overtaken() {
    model(|| {
        let mut scene = Scene::new();
        let output = scene.output();
        let executor = scene.beside(move |call| match call.begin() {
            Some(input) => {
                drop(input);
                Some(complete(call, output))
            }
            None => {
                assert!(call.was_overtaken(), "the side that finds it claimed sees that it was overtaken");
                drop(output);
                None
            }
        });
        let overtakes = Slot::claim_by_waiter::<Value, 0>(&scene.call).map(|(input, [])| input);
        let ran = join(executor);
        assert_eq!(ran, if overtakes.is_some() { None } else { Some(Ran::Delivered) });
        drop(overtakes);
        scene.finish();
    });
}

#[test]
fn one_of_two_claimers_claims_the_call() {
    model(|| {
        let scene = Scene::new();
        let other = scene.beside(|call| call.claim());
        let mine = scene.call.claim();
        assert_ne!(mine, join(other));
        scene.finish();
    });
}

#[test]
fn call_is_run_or_withdrawn() {
    model(|| {
        let mut scene = Scene::new();
        let executor = scene.executor();
        let withdrawn = scene.call.withdraw();
        assert_eq!(join(executor), if withdrawn.is_some() { Ran::Declined } else { Ran::Delivered });
        drop(withdrawn);
        scene.finish();
    });
}

#[test]
fn call_ended_as_it_is_withdrawn_keeps_its_input_in_one_place() {
    model(|| {
        let scene = Scene::new();
        let ender = scene.ender(EndReason::Cancelled);
        let withdrawn = scene.call.withdraw();
        assert_eq!(join(ender), if withdrawn.is_some() { EndResult::Running } else { EndResult::Queued });
        drop(withdrawn);
        scene.finish();
    });
}

// ----- all at once

#[test]
fn executor_ending_side_and_handle_agree() {
    model_bounded(|| {
        let mut scene = Scene::new();
        let (waker, woken) = Woken::new();
        let (executor, ender) = (scene.executor(), scene.ender(EndReason::TimedOut));
        let waits = scene.call.register(&waker);
        let (ran, ended) = (join(executor), join(ender));
        let taken = scene.call.take();
        assert_eq!(is_outcome(&taken), ran == Ran::Delivered);
        assert_eq!(is_ended(&taken, EndReason::TimedOut), ended != EndResult::Over);
        assert_eq!(woken.count(), usize::from(waits));
        drop(taken);
        scene.finish();
    });
}
