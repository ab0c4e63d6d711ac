//! Tests of messengers, which are broadcast channels with a name: receivers, order, slow receivers,
//! names, ends, and attachments.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::{FutureExt, StreamExt};
use nanolith::{
    messenger::{
        self, FindError, LagPolicy, Messenger, OpenError, RecvError, SendError, Subscriber, TryRecvError, TrySendError,
    },
    pool::Concurrency,
    prelude::*,
    service::AttachError,
    time::{Elapsed, MILLISECOND, timeout},
};
use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Barrier,
        mpsc::{Receiver, Sender, channel},
    },
    task::{self, Waker},
    thread,
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

fn with<T: Clone + Send + Sync>(policy: LagPolicy) -> Messenger<T> {
    Messenger::builder().on_lag(policy).build().expect("the bound is no zero")
}

fn all<T: Clone>(subscriber: &mut Subscriber<T>) -> Vec<T> {
    std::iter::from_fn(|| subscriber.try_recv().ok()).collect()
}

// ----- receivers

#[test]
fn message_reaches_all_other_endpoints_and_not_its_sender() {
    let left = Messenger::new();
    let (middle, right) = (left.join(), left.join());
    let mut heard = [left.subscribe(), middle.subscribe(), right.subscribe(), right.subscribe()];
    assert_eq!(left.send("from the left").wait(), Ok(3));
    assert_eq!(middle.send("from the middle").wait(), Ok(3));
    let heard: Vec<_> = heard.iter_mut().map(all).collect();
    assert_eq!(heard[0], ["from the middle"]);
    assert_eq!(heard[1], ["from the left"]);
    assert_eq!(heard[2], ["from the left", "from the middle"]);
    assert_eq!(heard[3], heard[2]);
}

#[test]
fn message_stays_within_its_name() {
    let [here, same, other] = ["within", "within", "without"].map(|name| Messenger::open(name).expect("one type"));
    let (mut same, mut other) = (same.subscribe(), other.subscribe());
    assert_eq!(here.send(1).wait(), Ok(1));
    assert_eq!((same.try_recv(), other.try_recv()), (Ok(1), Err(TryRecvError::Empty)));
}

#[test]
fn messages_of_several_senders_arrive_in_send_order() {
    let left = Messenger::new();
    let (right, third) = (left.join(), left.join());
    let mut heard = [third.subscribe(), third.subscribe()];
    for n in 0..100 {
        let sender = if n % 3 == 0 { &left } else { &right };
        sender.send(n).wait().expect("it is open");
    }
    for heard in &mut heard {
        assert_eq!(all(heard), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn subscriber_receives_no_earlier_message() {
    let left = Messenger::new();
    let right = left.join();
    let mut early = right.subscribe();
    assert_eq!(left.send(1).wait(), Ok(1));
    let mut late = right.subscribe();
    assert_eq!(left.send(2).wait(), Ok(2));
    assert_eq!((all(&mut early), all(&mut late)), (vec![1, 2], vec![2]));
}

#[test]
fn message_without_receivers_is_dropped_at_once() {
    let (alive, left) = (Arc::new(()), Messenger::new());
    let own = left.subscribe();
    assert_eq!(left.send(alive.clone()).wait(), Ok(0));
    assert_eq!(Arc::strong_count(&alive), 1);
    drop(own);
}

#[test]
fn handler_may_answer_a_message() {
    let left = Messenger::new();
    let right = left.join();
    let mut answers = left.subscribe();
    let questions = right.subscribe();
    let answering = thread::spawn(move || {
        for n in questions {
            right.send(n * 2).wait().expect("it is open");
            if n == 9 {
                break;
            }
        }
    });
    for n in 0..10 {
        left.send(n).wait().expect("it is open");
        assert_eq!(answers.recv().wait(), Ok(n * 2));
    }
    answering.join().expect("it ends");
}

// ----- ways to receive

#[test]
fn subscriber_waits_blocks_polls_streams_and_iterates() {
    let left = Messenger::new();
    let mut heard = left.join().subscribe();
    assert_eq!(heard.try_recv(), Err(TryRecvError::Empty));
    assert!(heard.recv().wait_timeout(MILLISECOND).is_err());
    assert_eq!(pollster::block_on(timeout(MILLISECOND, heard.recv())), Err(Elapsed));
    for n in 0..8 {
        left.send(n).wait().expect("it is open");
    }
    assert_eq!(heard.recv().wait(), Ok(0));
    assert_eq!(pollster::block_on(heard.recv()), Ok(1));
    assert_eq!(heard.recv().wait_timeout(LONG).ok(), Some(Ok(2)));
    assert_eq!(pollster::block_on(timeout(LONG, heard.recv())), Ok(Ok(3)));
    assert_eq!(pollster::block_on(heard.next()), Some(4));
    assert_eq!(heard.iter().next(), Some(5));
    left.close_all();
    assert_eq!(heard.into_iter().collect::<Vec<_>>(), [6, 7]);
}

#[test]
fn wait_for_returns_the_matching_message() {
    let left = Messenger::new();
    let mut heard = left.join().subscribe();
    for n in 0..20 {
        left.send(n).wait().expect("it is open");
    }
    assert_eq!(heard.wait_for(|n| *n == 4).wait(), Ok(4));
    assert_eq!(pollster::block_on(heard.wait_for(|n| n % 7 == 0)), Ok(7));
    assert_eq!(heard.wait_for(|n| *n > 9).wait_timeout(LONG).ok(), Some(Ok(10)));
    assert_eq!(pollster::block_on(timeout(LONG, heard.wait_for(|n| *n > 15))), Ok(Ok(16)));
    assert!(heard.wait_for(|n| *n > 50).wait_timeout(MILLISECOND).is_err());
    assert_eq!(heard.try_recv(), Err(TryRecvError::Empty), "those before it are passed over");
    let waiting = thread::spawn(move || heard.wait_for(|n| *n == 99).wait());
    assert_eq!((left.send(98).wait(), left.send(99).wait()), (Ok(1), Ok(1)));
    assert_eq!(waiting.join().expect("it ends"), Ok(99));
}

#[test]
fn every_kind_of_wait_is_woken_by_a_message() {
    let left = Messenger::new();
    let (mut blocks, mut awaits) = (left.join().subscribe(), left.join().subscribe());
    let blocking = thread::spawn(move || blocks.recv().wait());
    let awaiting = thread::spawn(move || pollster::block_on(awaits.recv()));
    left.send(9).wait().expect("it is open");
    assert_eq!((blocking.join().expect("it ends"), awaiting.join().expect("it ends")), (Ok(9), Ok(9)));
}

#[test]
fn handler_receives_messages_in_order_until_dropped() {
    let left = Messenger::new();
    let (tell, reports) = channel();
    let listening = left
        .join()
        .on_message(move |n| {
            let _ = tell.send(n);
        })
        .expect("the pool starts");
    for n in 0..200 {
        left.send(n).wait().expect("it is open");
    }
    assert!((0..200).all(|n| reports.recv_timeout(LONG) == Ok(n)));
    assert_eq!(left.info().receivers, 1);
    drop(listening);
    assert!(reports.recv_timeout(LONG).is_err(), "the handler is dropped");
    assert_eq!(left.send(200).wait(), Ok(0));
}

#[test]
fn panicking_handler_receives_the_next_message() {
    let left = Messenger::new();
    let (tell, reports) = channel();
    let handler = move |n: i32| {
        assert_ne!(n, 0, "not this one");
        let _ = tell.send(n);
    };
    let _listening = left.join().on_message(handler).expect("the pool starts");
    assert_eq!((left.send(0).wait(), left.send(1).wait()), (Ok(1), Ok(1)));
    assert_eq!(reports.recv_timeout(LONG), Ok(1));
}

#[test]
fn handlers_that_answer_each_other_starve_no_task() {
    let left = Messenger::<u32>::new();
    let right = Arc::new(left.join());
    let left = Arc::new(left);
    let answer = |to: &Arc<Messenger<u32>>| {
        let to = Arc::downgrade(to);
        move |n: u32| {
            if let Some(to) = to.upgrade() {
                let _ = to.try_send(n.wrapping_add(1));
            }
        }
    };
    let _playing = (
        left.on_message(answer(&left)).expect("the pool starts"),
        right.on_message(answer(&right)).expect("the pool starts"),
    );
    assert_eq!(left.send(0).wait(), Ok(1));
    for n in 0..100 {
        assert_eq!(Geometry::tasks().add(n, n).timeout(LONG).wait().expect("it has its turn"), n + n);
    }
}

// ----- slow receivers

#[test]
fn sender_waits_for_the_slowest_receiver() {
    let left = with(LagPolicy::Wait(2));
    let (mut slow, mut brisk) = (left.join().subscribe(), left.join().subscribe());
    assert_eq!((left.try_send(0), left.try_send(1)), (Ok(2), Ok(2)));
    assert_eq!(all(&mut brisk), [0, 1]);
    assert_eq!(left.try_send(2), Err(TrySendError::Full(2)));
    let (began, begun) = channel();
    let sending = thread::spawn(move || {
        let _ = began.send(());
        (left.send(2).wait(), left)
    });
    begun.recv().expect("it begins");
    assert_eq!(slow.recv().wait(), Ok(0));
    let (sent, left) = sending.join().expect("it ends");
    assert_eq!(sent, Ok(2));
    assert_eq!((left.info().lag, left.info().waiting), (2, 0));
    assert_eq!((all(&mut slow), all(&mut brisk)), (vec![1, 2], vec![2]));
}

#[test]
fn dropped_receiver_frees_waiting_senders() {
    let left = with(LagPolicy::Wait(1));
    let slow = left.join().subscribe();
    assert_eq!(left.try_send(0), Ok(1));
    let mut sending = Box::pin(left.send(1));
    let mut poll = || sending.as_mut().poll(&mut task::Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    assert_eq!(left.info().waiting, 1);
    drop(slow);
    assert_eq!(poll(), task::Poll::Ready(Ok(0)));
}

#[test]
fn dropped_send_sends_nothing() {
    let left = with(LagPolicy::Wait(1));
    let mut slow = left.join().subscribe();
    assert_eq!(left.try_send(0), Ok(1));
    let mut sending = Box::pin(left.send(1));
    assert!(sending.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
    drop(sending);
    assert_eq!(all(&mut slow), [0]);
    assert_eq!(left.info().waiting, 0);
}

#[test]
fn slow_receiver_gets_its_number_of_lost_messages_once() {
    let left = with(LagPolicy::DropOldest(3));
    let mut slow = left.join().subscribe();
    for n in 0..10 {
        assert_eq!(left.send(n).wait(), Ok(1));
    }
    assert_eq!(slow.recv().wait(), Err(RecvError::Lost(7)));
    assert_eq!(all(&mut slow), [7, 8, 9]);
    for n in 10..20 {
        assert_eq!(left.send(n).wait(), Ok(1));
    }
    assert_eq!(slow.iter().take(3).collect::<Vec<_>>(), [17, 18, 19], "an iterator passes over it");
    assert_eq!(slow.lost(), 14);
}

#[test]
fn handler_can_receive_its_number_of_lost_messages() {
    let left = with(LagPolicy::DropOldest(1));
    let (tell, reports) = channel();
    let (go, may_go) = channel::<()>();
    let handler = move |heard: Result<i32, u64>| {
        let _ = tell.send(heard);
        let _ = may_go.recv();
    };
    let _listening = left.join().on_message_or_lost(handler).expect("the pool starts");
    left.send(0).wait().expect("it is open");
    assert_eq!(reports.recv_timeout(LONG), Ok(Ok(0)));
    for n in 1..5 {
        left.send(n).wait().expect("it is open");
    }
    drop(go);
    assert_eq!((reports.recv_timeout(LONG), reports.recv_timeout(LONG)), (Ok(Err(3)), Ok(Ok(4))));
}

/// Counts the values that are alive.
#[derive(Clone)]
struct Counted(#[allow(dead_code)] Arc<()>);

#[test]
fn stalled_receiver_holds_no_more_than_the_bound() {
    let (alive, bound) = (Arc::new(()), 256);
    let left = with(LagPolicy::DropOldest(bound));
    let mut stalled = left.join().subscribe();
    left.send(Counted(alive.clone())).wait().expect("it is open");
    assert!(stalled.recv().wait().is_ok());
    for _ in 0..100_000 {
        left.send(Counted(alive.clone())).wait().expect("it is open");
    }
    let held = Arc::strong_count(&alive) - 1;
    assert!((bound..=bound + bound / 8).contains(&held), "{held} live");
    drop(stalled);
    assert_eq!(Arc::strong_count(&alive), 1, "what only it held goes with it");
}

#[test]
fn unbounded_messenger_loses_nothing_and_never_waits() {
    let (alive, left) = (Arc::new(()), with(LagPolicy::Unbounded));
    let mut stalled = left.join().subscribe();
    assert!((0..10_000).all(|_| left.try_send(Counted(alive.clone())) == Ok(1)));
    assert_eq!((Arc::strong_count(&alive), stalled.lag()), (10_001, 10_000));
    assert_eq!(std::iter::from_fn(|| stalled.try_recv().ok()).count(), 10_000);
    assert_eq!((Arc::strong_count(&alive), stalled.lost()), (1, 0));
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[test]
fn bound_of_zero_is_an_error_with_the_name() {
    for policy in [LagPolicy::Wait(0), LagPolicy::DropOldest(0)] {
        assert_eq!(Messenger::<u32>::builder().on_lag(policy).build().unwrap_err(), OpenError::ZeroBound);
        let named = Messenger::<u32>::builder().on_lag(policy).open("zero");
        assert_eq!(named.unwrap_err(), OpenError::ZeroBound);
    }
}

#[test]
fn panicking_clone_reaches_its_receiver_alone() {
    struct Shy(u32);
    impl Clone for Shy {
        fn clone(&self) -> Self {
            assert_ne!((self.0, thread::current().name()), (1, Some("shy")), "not this one, here");
            Self(self.0)
        }
    }
    let left = Messenger::new();
    let (mut here, there) = (left.join().subscribe(), left.join().subscribe());
    for n in 0..3 {
        left.send(Shy(n)).wait().expect("it is open");
    }
    let shy = move || {
        let mut there = there;
        (0..3).map(|_| catch_unwind(AssertUnwindSafe(|| there.recv().wait().map(|Shy(n)| n))).ok()).collect::<Vec<_>>()
    };
    let heard = thread::Builder::new().name("shy".into()).spawn(shy).expect("there is a thread").join();
    assert_eq!(heard.expect("it ends"), [Some(Ok(0)), None, Some(Ok(2))]);
    assert_eq!(all(&mut here).iter().map(|Shy(n)| *n).collect::<Vec<_>>(), [0, 1, 2]);
}

// ----- names

#[test]
fn name_with_another_type_is_an_error_that_names_both() {
    let _figures = Messenger::<u32>::open("two types").expect("it is new");
    let error = Messenger::<bool>::open("two types").unwrap_err();
    assert_eq!(error.to_string(), "the messenger `two types` carries `u32`, not `bool`");
    assert!(matches!(error, OpenError::OtherType { asked: "bool", carries: "u32", .. }));
}

#[test]
fn name_with_another_policy_is_an_error_that_names_both() {
    let open = |policy| Messenger::<u32>::builder().on_lag(policy).open("two policies");
    let _ticks = open(LagPolicy::DropOldest(4)).expect("it is new");
    let error = open(LagPolicy::Unbounded).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the messenger `two policies` is already open with the lag policy `DropOldest(4)`, not `Unbounded`"
    );
    assert!(open(LagPolicy::DropOldest(4)).is_ok());
    let as_it_is = Messenger::<u32>::open("two policies").expect("no policy is asked for");
    assert_eq!(as_it_is.info().on_lag, LagPolicy::DropOldest(4));
}

#[test]
fn name_is_free_after_its_last_endpoint_and_subscriber() {
    let is_open = || messenger::names().iter().any(|name| &**name == "short-lived");
    assert!(!is_open());
    let first = Messenger::<u32>::open("short-lived").expect("it is new");
    let heard = first.subscribe();
    drop(first);
    assert!(is_open(), "a subscriber lives");
    let again = Messenger::<u32>::open("short-lived").expect("the same type");
    assert_eq!(again.send(9).wait(), Ok(1), "it is the same messenger");
    drop((heard, again));
    assert!(!is_open());
    assert!(Messenger::<bool>::open("short-lived").is_ok());
}

#[test]
fn threads_that_open_one_name_reach_each_other() {
    let together = Barrier::new(8);
    let heard = thread::scope(|scope| {
        let open = || {
            let orders = Messenger::<usize>::open("crowd").expect("one type");
            let mut heard = orders.subscribe();
            together.wait();
            assert_eq!(orders.send(1).wait(), Ok(7));
            (0..7).map(|_| heard.recv().wait_timeout(LONG).expect("in time").expect("each sends one")).sum::<usize>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect::<Vec<_>>()
    });
    assert_eq!(heard, [7; 8]);
}

// ----- ends

#[test]
fn closed_endpoint_drops_its_own_queued_messages_only() {
    let (alive, left) = (Arc::new(()), Messenger::new());
    let (right, third) = (left.join(), left.join());
    let (mut at_right, mut at_third) = (right.subscribe(), third.subscribe());
    for _ in 0..3 {
        left.send(Counted(alive.clone())).wait().expect("it is open");
    }
    assert!(at_right.recv().wait().is_ok());
    right.close();
    assert_eq!(at_right.try_recv().err(), Some(TryRecvError::Closed));
    assert_eq!(at_right.recv().wait().err(), Some(RecvError::Closed));
    assert_eq!(left.send(Counted(alive.clone())).wait(), Ok(1));
    assert_eq!(all(&mut at_third).len(), 4);
    drop(at_third);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn closed_endpoint_wakes_its_sleeping_subscriber() {
    let left = Messenger::<u32>::new();
    let right = left.join();
    let mut heard = right.subscribe();
    let sleeping = thread::spawn(move || heard.recv().wait());
    right.close();
    assert_eq!(sleeping.join().expect("it ends"), Err(RecvError::Closed));
}

#[test]
fn messages_sent_before_an_endpoint_closes_are_received() {
    let left = Messenger::new();
    let mut heard = left.join().subscribe();
    let third = left.join();
    left.send(1).wait().expect("it is open");
    left.close();
    third.send(2).wait().expect("it is open");
    assert_eq!(all(&mut heard), [1, 2]);
}

#[test]
fn close_all_delivers_sent_messages_before_the_end() {
    let left = Messenger::open("closed by all").expect("it is new");
    let right = Messenger::open("closed by all").expect("one type");
    let mut heard = right.subscribe();
    assert_eq!(heard.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(left.send(1).wait(), Ok(1));
    right.close_all();
    assert_eq!(left.send(2).wait(), Err(SendError(2)));
    assert_eq!(pollster::block_on(left.send(3)), Err(SendError(3)));
    assert_eq!(left.try_send(4), Err(TrySendError::Closed(4)));
    assert!(left.info().is_closed);
    assert_eq!((heard.recv().wait(), heard.recv().wait()), (Ok(1), Err(RecvError::Closed)));
    assert_eq!(right.subscribe().recv().wait(), Err(RecvError::Closed));
    let anew = Messenger::<bool>::open("closed by all").expect("the name is free");
    drop((left, right));
    assert!(messenger::names().contains(&anew.name().into()), "the old one's end leaves the new one's name");
}

#[test]
fn close_all_wakes_receivers_and_waiting_senders() {
    let left = Arc::new(with(LagPolicy::Wait(1)));
    let (full, own) = (left.join().subscribe(), left.subscribe());
    assert_eq!(left.try_send(1), Ok(1));
    let sending = thread::spawn({
        let left = left.clone();
        move || left.send(2).wait()
    });
    let sleeping = thread::spawn(move || own.into_iter().count());
    left.close_all();
    assert_eq!(sending.join().expect("it ends"), Err(SendError(2)));
    assert_eq!(sleeping.join().expect("it ends"), 0);
    assert_eq!(full.into_iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn unnamed_messenger_ends_with_its_last_endpoint() {
    let left = Messenger::new();
    let right = left.join();
    let heard = right.subscribe();
    let mut looks = right.subscribe();
    left.send(1).wait().expect("it is open");
    drop(left);
    let more = right.join();
    drop(right);
    assert_eq!(more.send(2).wait(), Ok(2));
    assert_eq!(all(&mut looks), [1, 2]);
    drop(more);
    assert_eq!(looks.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(heard.into_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn handler_ends_with_its_messenger() {
    let left = Messenger::<u32>::new();
    let (tell, reports) = channel::<()>();
    let listening = left
        .join()
        .on_message(move |_| {
            let _ = tell.send(());
        })
        .expect("the pool starts");
    drop(left);
    assert!(reports.recv_timeout(LONG).is_err(), "the handler is dropped");
    while !listening.is_over() {
        thread::yield_now();
    }
}

// ----- attached

pub struct Geometry;

#[define]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn tell(cx: &Context<Self>, name: String, what: i64) -> Result<usize, FindError> {
        let messenger = cx.messenger::<i64>(&name)?;
        Ok(messenger.send(what).wait().unwrap_or(0))
    }

    /// Returns `None` at the limit.
    pub async fn tell_later(cx: &Context<Self>, name: String, limit: Duration) -> Result<Option<usize>, FindError> {
        let Ok(found) = timeout(limit, cx.find_messenger::<i64>(&name)).await else { return Ok(None) };
        Ok(Some(found?.send(9).await.unwrap_or(0)))
    }

    /// Returns `None` at the limit.
    pub fn tell_when_there(cx: &Context<Self>, name: String, limit: Duration) -> Result<Option<usize>, FindError> {
        let Ok(found) = cx.find_messenger::<i64>(&name).wait_timeout(limit) else { return Ok(None) };
        Ok(Some(found?.send(9).wait().unwrap_or(0)))
    }

    pub fn list(cx: &Context<Self>) -> Vec<String> {
        cx.messengers().iter().map(|one| format!("{}: {}", one.name, one.message_type)).collect()
    }

    pub fn wrong_type(cx: &Context<Self>, name: String) -> Result<(), FindError> {
        cx.messenger::<String>(&name).map(drop)
    }

    pub fn hear_one(mut from: Subscriber<i64>) -> Option<i64> {
        from.recv().wait().ok()
    }
}

#[test]
fn tasks_of_a_pool_find_its_attached_messengers() {
    let sums = Messenger::<i64>::open("sums of a pool").expect("it is new");
    let mut heard = sums.subscribe();
    let pool = Pool::builder().messenger(&sums).build().expect("it starts");
    let geometry = Geometry::on(&pool);
    assert_eq!(geometry.tell(sums.name().into(), 9).wait().expect("it runs"), Ok(1));
    assert_eq!(heard.recv().wait(), Ok(9));
    assert_eq!(geometry.list().wait().expect("it runs"), ["sums of a pool: i64"]);
    let error = geometry.wrong_type(sums.name().into()).wait().expect("it runs").unwrap_err();
    assert_eq!(error.to_string(), "the messenger `sums of a pool` carries `i64`, not `alloc::string::String`");
}

#[test]
fn later_attachments_belong_to_one_pool_of_a_builder() {
    let (first, second) = (Messenger::<i64>::new(), Messenger::<u32>::new());
    let builder = Pool::builder().messenger(&first);
    let left = builder.clone().build().expect("it starts");
    let right = builder.messenger(&second).build().expect("it starts");
    let list = |pool| Geometry::on(pool).list().wait().expect("it runs").len();
    assert_eq!((list(&left), list(&right)), (1, 2));
}

#[test]
fn task_finds_the_messenger_attached_to_its_call() {
    let sums = Messenger::<i64>::new(); // found by its id
    let mut heard = sums.subscribe();
    let name = || sums.name().to_owned();
    let telling = Geometry::tasks().tell(name(), 4).messenger(&sums).timeout(LONG);
    assert_eq!(telling.wait().expect("it runs"), Ok(1));
    let refused = Geometry::tasks().tell(name(), 5).wait().expect("it runs");
    assert!(matches!(refused, Err(FindError::NotAttached { .. })), "the next call has none");
    let service = Geometry::service().launch().wait().expect("it starts");
    assert_eq!(service.tell(name(), 6).messenger(&sums).wait().expect("it runs"), Ok(1));
    assert_eq!(all(&mut heard), [4, 6]);
}

#[test]
fn messenger_of_a_call_precedes_that_of_its_executor() {
    let (calls, pools) = (Messenger::<i64>::open("nearest"), Messenger::<u32>::new());
    let calls = calls.expect("it is new");
    let pool = Pool::builder().messenger(&calls).messenger(&pools).build().expect("it starts");
    calls.close_all(); // so that the name is free for another messenger
    let calls = Messenger::<u8>::open("nearest").expect("the name is free");
    let list = Geometry::on(&pool).list().messenger(&calls).wait().expect("it runs");
    assert_eq!(list, ["nearest: u8".to_owned(), format!("{}: u32", pools.name())]);
}

#[test]
fn service_finds_messengers_attached_at_launch_and_later() {
    let (first, second) = (Messenger::<i64>::new(), Messenger::<i64>::new());
    let (mut at_first, mut at_second) = (first.subscribe(), second.subscribe());
    let service = Geometry::service().messenger(&first).launch().wait().expect("it starts");
    assert_eq!(service.tell(first.name().into(), 1).wait().expect("it runs"), Ok(1));
    let early = service.tell(second.name().into(), 2).wait().expect("it runs");
    assert!(matches!(early, Err(FindError::NotAttached { .. })));
    assert_eq!(service.control().attach(&second), Ok(()));
    assert_eq!(service.tell(second.name().into(), 3).wait().expect("it runs"), Ok(1), "it is there on return");
    assert_eq!((all(&mut at_first), all(&mut at_second)), (vec![1], vec![3]));
    service.close().wait().expect("it closes");
    assert_eq!(service.control().attach(&second), Err(AttachError));
}

#[test]
fn wait_for_a_messenger_ends_when_it_is_attached() {
    let totals = Messenger::<i64>::new();
    let mut heard = totals.subscribe();
    let service = Geometry::service().launch().wait().expect("it starts");
    let later = service.tell_later(totals.name().into(), LONG).submit();
    let blocks = service.tell_when_there(totals.name().into(), LONG).submit();
    assert_eq!(service.control().attach(&totals), Ok(()));
    assert_eq!((later.wait().expect("it runs"), blocks.wait().expect("it runs")), (Ok(Some(1)), Ok(Some(1))));
    assert_eq!(all(&mut heard), [9, 9]);
}

#[test]
fn wait_for_a_messenger_times_out() {
    let service = Geometry::service().launch().wait().expect("it starts");
    let pool = Geometry::tasks();
    let name = || String::from("nowhere");
    for found in [service.tell_later(name(), MILLISECOND).wait(), service.tell_when_there(name(), MILLISECOND).wait()] {
        assert_eq!(found.expect("it runs"), Ok(None));
    }
    // Nothing can be attached to the global pool, so these do not wait.
    for found in [pool.tell_later(name(), LONG).wait(), pool.tell_when_there(name(), LONG).wait()] {
        assert!(matches!(found.expect("it runs"), Err(FindError::NotAttached { .. })));
    }
}

#[test]
fn task_lends_its_slot_while_its_subscriber_waits() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("it starts");
    let geometry = Geometry::on(&pool);
    let sums = Messenger::new();
    let hearing = geometry.hear_one(sums.join().subscribe()).submit();
    assert_eq!(geometry.add(4, 5).timeout(LONG).wait().expect("the slot is free"), 9);
    sums.send(7).wait().expect("it is open");
    assert_eq!(hearing.wait().expect("it runs"), Some(7));
}

// ----- at the edges

#[test]
fn try_recv_reports_the_end() {
    let left = Messenger::<u32>::new();
    let right = left.join();
    let (mut waits, mut slow) = (right.subscribe(), right.subscribe());
    assert_eq!(waits.try_recv(), Err(TryRecvError::Empty));
    left.close_all();
    assert_eq!(waits.try_recv(), Err(TryRecvError::Closed), "nothing was ever sent");
    assert_eq!(slow.try_recv(), Err(TryRecvError::Closed));

    let left = Messenger::new();
    let right = left.join();
    let (mut waits, mut slow) = (right.subscribe(), right.subscribe());
    left.try_send(1).expect("it has room");
    assert_eq!((all(&mut waits), waits.try_recv()), (vec![1], Err(TryRecvError::Empty)));
    drop((left, right)); // the last endpoints
    assert_eq!(waits.try_recv(), Err(TryRecvError::Closed), "another has something to read still");
    assert_eq!((slow.try_recv(), slow.try_recv()), (Ok(1), Err(TryRecvError::Closed)));
}

/// Runs `f` on a thread of its own, and fails if it is not over in time.
fn in_time<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, reports) = channel();
    thread::spawn(move || drop(tell.send(f())));
    reports.recv_timeout(LONG).expect("it ends in time")
}

#[test]
fn recv_skips_any_number_of_own_messages() {
    in_time(|| {
        let left = with::<u32>(LagPolicy::DropOldest(10_000));
        let right = left.join();
        let (mut own, mut other) = (left.subscribe(), right.subscribe());
        for n in 0..9_000 {
            assert_eq!(left.try_send(n), Ok(1));
            assert_eq!(other.recv().wait(), Ok(n));
        }
        right.try_send(1).expect("it drops the oldest");
        assert_eq!(own.lag(), 1);
        assert_eq!(own.recv().wait_timeout(LONG).ok(), Some(Ok(1)));
    });
}

#[test]
fn dropped_own_messages_are_not_counted_as_lost() {
    in_time(|| {
        let left = with::<u32>(LagPolicy::DropOldest(8_000));
        let right = left.join();
        let (mut own, mut other) = (left.subscribe(), right.subscribe());
        for n in 0..10_000 {
            left.try_send(n).expect("it drops the oldest");
            assert_eq!(other.recv().wait(), Ok(n));
        }
        right.try_send(1).expect("it drops the oldest");
        assert_eq!((own.recv().wait(), own.lost()), (Ok(1), 0));
    });
}

#[test]
fn messages_that_do_not_match_do_not_delay_the_time_limit() {
    in_time(|| {
        let left = with::<u32>(LagPolicy::Unbounded);
        let mut heard = left.join().subscribe();
        let more = |_: &u32| left.try_send(1).is_err(); // there always is a next message
        left.try_send(1).expect("there is no bound");
        assert!(heard.wait_for(more).wait_timeout(MILLISECOND).is_err());
        let limited = pollster::block_on(timeout(MILLISECOND, heard.wait_for(more)));
        assert_eq!(limited, Err(Elapsed));
    });
}

#[test]
fn wait_for_yields_among_many_messages() {
    let left = with::<u32>(LagPolicy::Unbounded);
    let mut heard = left.join().subscribe();
    (0..10_000).for_each(|n| assert_eq!(left.try_send(n), Ok(1)));
    let mut waiting = heard.wait_for(|n| *n == 9_999);
    let waker = Waker::noop();
    let polls = (1..).find(|_| Pin::new(&mut waiting).poll(&mut task::Context::from_waker(waker)).is_ready());
    assert!(polls > Some(1), "it looks at some at a time");
}

/// A waker that owns a value.
struct Owns<T>(#[allow(dead_code)] T);

impl<T: Send + Sync + 'static> task::Wake for Owns<T> {
    fn wake(self: Arc<Self>) {}
}

/// Polls `future` once, with a waker that owns the only other subscriber.
fn poll_owning<F: Future>(future: F, owned: Subscriber<u32>) -> task::Poll<F::Output> {
    let waker = Waker::from(Arc::new(Owns(std::sync::Mutex::new(owned))));
    pin!(future).poll(&mut task::Context::from_waker(&waker))
}

#[test]
fn waker_that_owns_a_subscriber_may_drop_in_any_wait() {
    let receives = || {
        let left = with::<u32>(LagPolicy::Wait(1));
        let mut heard = left.join().subscribe();
        assert!(poll_owning(heard.recv(), left.subscribe()).is_pending());
        (left, heard)
    };
    in_time(move || {
        let (_left, mut heard) = receives();
        assert!(heard.recv().now_or_never().is_none(), "another waker takes its place");
    });
    in_time(move || drop(receives().1));
    in_time(|| {
        let left = with::<u32>(LagPolicy::Wait(1));
        let _full = left.join().subscribe();
        left.try_send(1).expect("it has room");
        let mut sending = left.send(2);
        assert!(poll_owning(&mut sending, left.subscribe()).is_pending());
        assert!((&mut sending).now_or_never().is_none(), "another waker takes its place");
    });
}

pub struct Waits;

#[define]
impl Waits {
    /// Looks up a messenger that does not exist, and gives up. Returns how many clones of its waker
    /// are left then.
    pub fn look_and_give_up(cx: &Context<Self>) -> usize {
        let waker = Arc::new(Owns(()));
        let mut finding = cx.find_messenger::<i64>("nowhere");
        let polled = Pin::new(&mut finding).poll(&mut task::Context::from_waker(&Waker::from(waker.clone())));
        assert!(polled.is_pending());
        drop(finding);
        Arc::strong_count(&waker) - 1
    }
}

#[test]
fn dropped_messenger_lookup_leaves_nothing_behind() {
    let service = Waits::service().launch().wait().expect("it starts");
    assert_eq!(service.look_and_give_up().wait().expect("it runs"), 0);
}

// ----- many at once

const SENDERS: u64 = 4;
const EACH: u64 = 3_000;

/// Returns each sender's numbers, in order and without duplicates, and how many messages were lost.
fn listen(mut heard: Subscriber<(u64, u64)>) -> (BTreeMap<u64, Vec<u64>>, u64) {
    let (mut by_sender, mut lost) = (BTreeMap::<u64, Vec<u64>>::new(), 0);
    loop {
        match heard.recv().wait() {
            Ok((sender, n)) => by_sender.entry(sender).or_default().push(n),
            Err(RecvError::Lost(count)) => lost += count,
            Err(RecvError::Closed) => return (by_sender, lost),
            Err(_) => unreachable!("there is no other way"),
        }
    }
}

fn crowd(policy: LagPolicy) {
    let hub = with(policy);
    let endpoints: Vec<_> = (0..SENDERS).map(|_| hub.join()).collect();
    let subscribers: Vec<_> = endpoints.iter().map(Messenger::subscribe).collect();
    let (tell, reports) = channel();
    let handler = endpoints[0]
        .on_message(move |message| {
            let _ = tell.send(message);
        })
        .expect("the pool starts");
    drop(hub);
    thread::scope(|scope| {
        let listening: Vec<_> = subscribers.into_iter().map(|heard| scope.spawn(|| listen(heard))).collect();
        for (sender, endpoint) in (0..).zip(endpoints) {
            scope.spawn(move || {
                for n in 0..EACH {
                    if n % 2 == 0 {
                        endpoint.send((sender, n)).wait().expect("it is open");
                    } else {
                        pollster::block_on(endpoint.send((sender, n))).expect("it is open");
                    }
                }
            });
        }
        for (own, listening) in (0..).zip(listening) {
            let (by_sender, lost) = listening.join().expect("it ends");
            assert!(!by_sender.contains_key(&own), "never to the sender");
            assert!(by_sender.values().all(|heard| heard.is_sorted_by(|one, next| one < next)), "in order, once each");
            let heard: usize = by_sender.values().map(Vec::len).sum();
            assert_eq!(heard as u64 + lost, (SENDERS - 1) * EACH, "each message is received or counted as lost");
            assert!(lost == 0 || matches!(policy, LagPolicy::DropOldest(_)));
        }
    });
    handler.detach();
    let handled = reports.iter().count() as u64;
    assert!(handled == (SENDERS - 1) * EACH || matches!(policy, LagPolicy::DropOldest(_)));
}

#[test]
fn many_senders_that_wait_lose_no_message() {
    [1, 7, 1_024].into_iter().for_each(|bound| crowd(LagPolicy::Wait(bound)));
}

#[test]
fn drop_oldest_accounts_for_every_message_of_many_senders() {
    [1, 7, 1_024].into_iter().for_each(|bound| crowd(LagPolicy::DropOldest(bound)));
}

#[test]
fn unbounded_senders_lose_no_message() {
    crowd(LagPolicy::Unbounded);
}

#[test]
fn receivers_that_come_and_go_leave_nothing_behind() {
    let alive = Arc::new(());
    let hub = with::<Counted>(LagPolicy::Wait(8));
    let (stop, stopped): (Sender<()>, Receiver<()>) = channel();
    let sending = {
        let (hub, alive) = (hub.join(), alive.clone());
        thread::spawn(move || {
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                hub.send(Counted(alive.clone())).wait().expect("it is open");
            }
        })
    };
    let coming: Vec<_> = (0..3)
        .map(|_| {
            let hub = hub.join();
            thread::spawn(move || {
                (0..200).for_each(|n| assert_eq!(hub.subscribe().iter().take(n % 20).count(), n % 20));
            })
        })
        .collect();
    coming.into_iter().for_each(|thread| thread.join().expect("it ends"));
    drop(stop);
    sending.join().expect("it ends");
    assert_eq!((hub.info().receivers, hub.info().lag), (0, 0));
    assert_eq!(Arc::strong_count(&alive), 1);
}
