//! Tests of two connected ports, a two-way channel: order, closing, bounds, moves between threads,
//! and waiting for a message. `ports_stress.rs` tests them under load.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use futures_util::{FutureExt, SinkExt, StreamExt};
use nanolith::{
    pool::Concurrency,
    port::{self, Port, RecvError, SendError, TryRecvError, TrySendError},
    prelude::*,
    time::{MILLISECOND, timeout},
};
use std::{
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Wake, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

type Numbers = Port<u32, u32>;

fn pair() -> (Numbers, Numbers) {
    port::pair()
}

fn send_all(from: &Numbers, numbers: impl IntoIterator<Item = u32>) {
    numbers.into_iter().for_each(|n| from.try_send(n).expect("there is room"));
}

fn there(port: &Numbers) -> Vec<u32> {
    port.try_iter().collect()
}

/// Waits until the condition holds, which another thread is about to make true.
fn until(it_is_so: impl Fn() -> bool) {
    while !it_is_so() {
        thread::yield_now();
    }
}

/// Polls once, without a task to wake.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(Waker::noop()))
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Records the thread on which it is dropped.
struct Dropped(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.lock().expect("no holder panics").push(thread::current().id());
    }
}

// ----- order

#[test]
fn messages_arrive_in_send_order() {
    let (ours, theirs) = pair();
    let sender = thread::spawn(move || (0..1_000).try_for_each(|n| ours.send(n).wait()));
    assert!(theirs.iter().eq(0..1_000));
    assert_eq!(sender.join().expect("it sends"), Ok(()));
}

#[test]
fn messages_wait_for_a_receiver() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=3);
    assert_eq!((theirs.len(), there(&theirs)), (3, vec![1, 2, 3]));
}

#[test]
fn messages_wait_for_a_handler() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=3);
    let (tell, reports) = mpsc::channel();
    let _listening = theirs.on_message(move |n| tell.send(n).expect("the test listens")).expect("there is a pool");
    assert!(reports.iter().take(3).eq(1..=3));
}

#[test]
fn both_directions_are_independent() {
    let (ours, theirs) = port::pair::<&str, u32>();
    ours.try_send("four").expect("there is room");
    theirs.try_send(4).expect("there is room");
    assert_eq!((theirs.try_recv(), ours.try_recv()), (Ok("four"), Ok(4)));
    assert_eq!((theirs.try_recv(), ours.try_recv()), (Err(TryRecvError::Empty), Err(TryRecvError::Empty)));
}

#[test]
fn crossing_messages_do_not_wait_for_each_other() {
    let (ours, theirs) = port::bounded::<u32, u32>(1);
    ours.try_send(1).expect("there is room");
    theirs.try_send(2).expect("each direction has room of its own");
    assert_eq!((ours.recv().wait(), theirs.recv().wait()), (Ok(2), Ok(1)));
}

// ----- closing

#[test]
fn messages_sent_before_a_close_arrive_before_the_end() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=2);
    ours.close();
    assert_eq!(theirs.recv().wait(), Ok(1));
    assert_eq!(theirs.try_recv(), Ok(2));
    assert_eq!(theirs.recv().wait(), Err(RecvError));
    assert_eq!(theirs.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(theirs.recv().wait_timeout(LONG).ok(), Some(Err(RecvError)));
    assert_eq!(theirs.wait_for(|_| true).wait(), Err(RecvError));
}

#[test]
fn dropped_port_is_closed() {
    let (ours, theirs) = pair();
    assert!(!theirs.is_closed());
    drop(ours);
    assert!(theirs.is_closed());
    assert_eq!(theirs.try_send(4), Err(TrySendError::Closed(4)));
}

#[test]
fn send_to_a_closed_port_gives_the_message_back() {
    let (ours, theirs) = port::pair::<String, ()>();
    theirs.close();
    let message = || "still ours".to_owned();
    assert_eq!(ours.try_send(message()), Err(TrySendError::Closed(message())));
    assert_eq!(ours.send(message()).wait(), Err(SendError(message())));
    assert_eq!(ours.send(message()).wait_timeout(LONG).ok(), Some(Err(SendError(message()))));
    assert_eq!(pollster::block_on(ours.send(message())).map_err(SendError::into_inner), Err(message()));
}

#[test]
fn blocking_receiver_is_woken_by_the_close() {
    let (ours, theirs) = pair();
    let receiver = thread::spawn(move || theirs.recv().wait());
    drop(ours);
    assert_eq!(receiver.join().expect("it waits"), Err(RecvError));
}

#[test]
fn awaiting_receiver_is_woken_by_the_close() {
    let (ours, theirs) = pair();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut receiving = pin!(theirs.recv());
    assert!(receiving.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(ours);
    assert_eq!(woken.times(), 1);
    assert_eq!(poll(receiving), Poll::Ready(Err(RecvError)));
}

#[test]
fn close_gives_back_the_message_of_a_blocked_sender() {
    for bound in [0, 1] {
        let (ours, theirs) = if bound == 0 { port::rendezvous::<u32, u32>() } else { port::bounded(bound) };
        send_all(&ours, 0..u32::try_from(bound).expect("it is small"));
        thread::scope(|scope| {
            let waits = scope.spawn(|| ours.send(8).wait());
            let waits_a_while = scope.spawn(|| ours.send(9).wait_timeout(LONG));
            until(|| theirs.len() == bound + 2);
            drop(theirs);
            assert_eq!(waits.join().expect("it waits"), Err(SendError(8)));
            assert_eq!(waits_a_while.join().expect("it waits").ok(), Some(Err(SendError(9))));
        });
    }
}

#[test]
fn close_gives_back_the_message_of_an_awaiting_sender() {
    let (ours, theirs) = port::bounded::<u32, u32>(1);
    ours.try_send(1).expect("there is room");
    let mut sending = pin!(ours.send(2));
    assert!(poll(sending.as_mut()).is_pending());
    theirs.close();
    assert_eq!(poll(sending), Poll::Ready(Err(SendError(2))));
}

#[test]
fn closed_waits_for_the_close_of_the_other_port() {
    let (ours, theirs) = pair();
    send_all(&ours, [4]);
    let mut closed = Box::pin(theirs.closed());
    assert!(poll(closed.as_mut()).is_pending());
    let closing = thread::spawn(move || drop(ours));
    pollster::block_on(closed);
    theirs.closed().wait();
    closing.join().expect("it closes");
    assert_eq!(there(&theirs), [4], "what was sent is there still");
}

#[test]
fn dropped_closed_wait_is_not_woken() {
    let (ours, theirs) = pair();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert!(pin!(theirs.closed()).poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(ours);
    assert_eq!(woken.times(), 0);
}

#[test]
fn send_fails_after_the_end_was_received() {
    for _ in 0..200 {
        let (ours, theirs) = pair();
        let closing = thread::spawn(move || drop(ours));
        assert_eq!(theirs.recv().wait(), Err(RecvError));
        assert!(theirs.is_closed());
        assert_eq!(theirs.try_send(4), Err(TrySendError::Closed(4)));
        closing.join().expect("it closes");
    }
}

#[test]
fn iterators_and_streams_end_with_the_other_port() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=3);
    drop(ours);
    let mut sum = 0;
    for n in &theirs {
        sum += n;
    }
    assert_eq!((sum, theirs.iter().next()), (6, None));
    assert_eq!(pollster::block_on(theirs.collect::<Vec<_>>()), []);
}

#[test]
fn closing_thread_drops_the_unreceived_messages() {
    let drops = Arc::default();
    let (ours, theirs) = port::pair::<Dropped, ()>();
    for _ in 0..3 {
        assert!(ours.try_send(Dropped(Arc::clone(&drops))).is_ok());
    }
    let closer = thread::spawn(move || {
        drop(theirs.wait_for(|_| false).now_or_never()); // inspected and kept
        theirs.close();
        thread::current().id()
    });
    let closer = closer.join().expect("it closes");
    assert_eq!(*drops.lock().expect("no holder panics"), [closer; 3]);
    assert!(ours.is_closed());
}

#[test]
fn message_may_use_its_own_port_in_drop() {
    struct ReportOnDrop(Arc<Port<ReportOnDrop, ()>>, mpsc::Sender<bool>);
    impl Drop for ReportOnDrop {
        fn drop(&mut self) {
            let _ = self.1.send(self.0.is_closed());
        }
    }
    let (ours, theirs) = port::pair::<ReportOnDrop, ()>();
    let ours = Arc::new(ours);
    let (tell, reports) = mpsc::channel();
    assert!(ours.try_send(ReportOnDrop(ours.clone(), tell)).is_ok());
    drop(theirs);
    assert_eq!(reports.recv(), Ok(true), "no lock is held meanwhile");
}

// ----- asking without waiting

#[test]
fn try_recv_distinguishes_empty_from_closed() {
    let (ours, theirs) = pair();
    assert_eq!(theirs.try_recv(), Err(TryRecvError::Empty));
    drop(ours);
    assert_eq!(theirs.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn failed_send_moves_nothing() {
    let (carrier, other_side) = port::bounded::<Numbers, ()>(1);
    let ((first, _first), (ours, theirs)) = (pair(), pair());
    send_all(&ours, 1..=2);
    carrier.try_send(first).expect("there is room");
    let back = carrier.try_send(theirs).expect_err("there is none").into_inner();
    send_all(&ours, [3]);
    drop(other_side);
    let back = carrier.send(back).wait().expect_err("it is closed").into_inner();
    assert_eq!(there(&back), [1, 2, 3], "it holds what it held, and is connected");
    back.try_send(4).expect("there is room");
    assert_eq!(ours.recv().wait(), Ok(4));
}

#[test]
fn time_limits_end_waits_and_leave_the_port_unchanged() {
    let (ours, theirs) = port::bounded::<u32, u32>(1);
    assert!(theirs.recv().wait_timeout(MILLISECOND).is_err());
    assert!(pollster::block_on(timeout(MILLISECOND, theirs.recv())).is_err());
    assert!(theirs.wait_for(|_| true).wait_timeout(Duration::ZERO).is_err());
    ours.try_send(1).expect("there is room");
    let unsent = ours.send(2).wait_timeout(MILLISECOND).expect_err("there is no room");
    assert_eq!(unsent.into_inner(), Some(2));
    assert_eq!(theirs.recv().wait_timeout(Duration::ZERO).ok(), Some(Ok(1)), "what is there needs no time");
    assert_eq!(ours.send(3).wait_timeout(Duration::ZERO).ok(), Some(Ok(())));
    assert_eq!(theirs.recv().wait_timeout(Duration::MAX).ok(), Some(Ok(3)));
    assert!(theirs.recv().wait_timeout(MILLISECOND).is_err(), "the second is not there");
}

#[test]
fn message_ends_a_wait_before_its_time_limit() {
    let (ours, theirs) = pair();
    let sender = thread::spawn(move || ours.recv().wait().map(|n| ours.send(n + 1).wait()));
    theirs.try_send(4).expect("there is room");
    assert_eq!(theirs.recv().wait_timeout(LONG).ok(), Some(Ok(5)));
    assert_eq!(sender.join().expect("it sends"), Ok(Ok(())));
}

// ----- bounds

#[test]
fn bounded_senders_get_room_in_the_order_of_arrival() {
    let (ours, theirs) = port::bounded::<u32, u32>(2);
    send_all(&ours, 1..=2);
    assert_eq!(ours.try_send(9), Err(TrySendError::Full(9)));
    let (mut third, mut fourth) = (pin!(ours.send(3)), pin!(ours.send(4)));
    assert!(poll(third.as_mut()).is_pending());
    assert!(poll(fourth.as_mut()).is_pending());
    assert_eq!(theirs.recv().wait(), Ok(1));
    assert_eq!(ours.try_send(9), Err(TrySendError::Full(9)), "the room is the third's");
    assert_eq!(poll(third), Poll::Ready(Ok(())));
    assert!(poll(fourth.as_mut()).is_pending());
    assert!(theirs.iter().take(3).eq(2..=4));
    assert_eq!(poll(fourth), Poll::Ready(Ok(())));
}

#[test]
fn sender_dropped_while_it_waits_sends_nothing() {
    let (ours, theirs) = port::bounded::<u32, u32>(1);
    ours.try_send(1).expect("there is room");
    {
        let mut second = pin!(ours.send(2));
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(theirs.len(), 2);
    }
    let mut third = pin!(ours.send(3));
    assert!(poll(third.as_mut()).is_pending());
    assert_eq!(theirs.recv().wait(), Ok(1));
    assert_eq!(poll(third), Poll::Ready(Ok(())));
    assert_eq!(there(&theirs), [3]);
}

#[test]
fn rendezvous_hands_messages_over() {
    let (ours, theirs) = port::rendezvous::<u32, u32>();
    assert_eq!(ours.try_send(1), Err(TrySendError::Full(1)), "no receiver waits for it");
    let mut sending = pin!(ours.send(2));
    assert!(poll(sending.as_mut()).is_pending());
    assert!(poll(sending.as_mut()).is_pending(), "the other side does not have it");
    assert_eq!(theirs.try_recv(), Ok(2));
    assert_eq!(poll(sending), Poll::Ready(Ok(())));

    let receiver = thread::spawn(move || (theirs.recv().wait(), theirs));
    until(|| ours.try_send(3).is_ok()); // as soon as it waits
    let (received, theirs) = receiver.join().expect("it receives");
    assert_eq!((received, ours.try_send(4)), (Ok(3), Err(TrySendError::Full(4))));
    drop(theirs);
}

#[test]
fn try_send_does_not_overtake_a_waiting_hand_off() {
    let (ours, theirs) = port::rendezvous::<u32, u32>();
    let (mut receiving, mut sending) = (pin!(theirs.recv()), pin!(ours.send(1)));
    assert!(poll(receiving.as_mut()).is_pending());
    assert!(poll(sending.as_mut()).is_pending());
    assert_eq!(ours.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(poll(receiving), Poll::Ready(Ok(1)));
    assert_eq!(poll(sending), Poll::Ready(Ok(())));
}

#[test]
fn hand_off_finds_a_waiting_stream() {
    let (ours, mut theirs) = port::rendezvous::<u32, u32>();
    let mut next = theirs.next();
    assert!(poll(Pin::new(&mut next)).is_pending());
    assert_eq!(ours.try_send(1), Ok(()));
    assert_eq!(poll(Pin::new(&mut next)), Poll::Ready(Some(1)));
}

#[test]
fn huge_bound_allocates_no_memory_up_front() {
    let taken = allocation_counter::measure(|| drop(port::bounded::<[u8; 1024], [u8; 1024]>(usize::MAX)));
    assert!(taken.bytes_total < 4096, "{} bytes", taken.bytes_total);
}

#[test]
fn task_that_waits_for_a_message_lends_its_slot() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    let (ours, theirs) = pair();
    let echo = Tasks::on(&pool).echo_one(theirs).submit();
    let sends = Tasks::on(&pool).send_one(ours, 4).submit();
    assert_eq!(echo.wait_timeout(LONG).expect("in time").expect("it runs"), 4);
    assert_eq!(sends.wait().expect("it runs"), 4, "echoed");
}

// ----- travelling

pub struct Tasks;

#[define]
impl Tasks {
    pub fn all(port: Numbers) -> Vec<u32> {
        port.into_iter().collect()
    }

    pub async fn all_later(port: Numbers) -> Vec<u32> {
        port.collect().await
    }

    pub fn echo_one(port: Numbers) -> u32 {
        let n = port.recv().wait().expect("it comes");
        port.send(n).wait().expect("it is heard");
        n
    }

    pub fn send_one(port: Numbers, n: u32) -> u32 {
        port.send(n).wait().expect("it is heard");
        port.recv().wait().expect("it comes")
    }

    /// Returns the port, with its messages.
    pub fn keep(port: Numbers) -> Numbers {
        port
    }
}

pub struct Listener {
    from: Numbers,
}

#[define]
impl Listener {
    #[init]
    fn start(from: Numbers) -> Result<Self, Infallible> {
        Ok(Self { from })
    }

    pub fn next(&self) -> Option<u32> {
        self.from.try_recv().ok()
    }

    pub fn swap(&mut self, from: Numbers) -> Numbers {
        std::mem::replace(&mut self.from, from)
    }
}

#[test]
fn port_in_task_arguments_keeps_its_messages() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    let (ours, theirs) = pair();
    send_all(&ours, 1..=2);
    let job = Tasks::on(&pool).all(theirs).submit();
    send_all(&ours, 3..=4); // while it moves, or has arrived
    drop(ours);
    assert_eq!(job.wait().expect("it runs"), [1, 2, 3, 4]);
}

#[test]
fn port_in_an_async_task_holds_no_slot() {
    let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound");
    let (ours, theirs) = pair();
    send_all(&ours, 1..=2);
    let job = Tasks::on(&pool).all_later(theirs).submit();
    let (kept, back) = (Tasks::on(&pool).keep(ours).wait().expect("it runs"), 3..=4);
    send_all(&kept, back);
    drop(kept);
    assert_eq!(job.wait().expect("it runs"), [1, 2, 3, 4]);
}

#[test]
fn port_in_a_task_output_keeps_its_messages() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=2);
    let theirs = Tasks::tasks().keep(theirs).wait().expect("it runs");
    assert_eq!(there(&theirs), [1, 2]);
}

#[test]
fn port_in_init_arguments_keeps_its_messages() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=2);
    let listener = Listener::service(theirs).launch().wait().expect("it starts");
    send_all(&ours, [3]);
    let heard = [(); 4].map(|()| listener.next().wait().expect("it runs"));
    assert_eq!(heard, [Some(1), Some(2), Some(3), None]);
    listener.close().wait().expect("it ends");
    assert!(ours.is_closed(), "the state was dropped, and the port with it");
}

#[test]
fn port_in_arguments_of_a_service_keeps_its_messages() {
    let ((first, theirs), (second, other)) = (pair(), pair());
    send_all(&first, 1..=2);
    send_all(&second, 3..=4);
    let listener = Listener::service(theirs).launch().wait().expect("it starts");
    let back = listener.swap(other).wait().expect("it runs");
    assert_eq!(there(&back), [1, 2]);
    assert_eq!(listener.next().wait().expect("it runs"), Some(3));
}

#[test]
fn port_sent_through_ports_keeps_its_messages() {
    let (ours, theirs) = pair();
    let (carry, carried) = port::pair::<Numbers, ()>();
    let (carry_on, arrived) = port::pair::<Numbers, ()>();
    send_all(&ours, [1]);
    carry.try_send(theirs).expect("there is room");
    send_all(&ours, [2]); // while no task holds it
    carry_on.try_send(carried.recv().wait().expect("it comes")).expect("there is room");
    send_all(&ours, [3]);
    let port = arrived.recv().wait().expect("it comes");
    drop(ours);
    assert_eq!(there(&port), [1, 2, 3]);
}

#[test]
fn port_in_a_message_carries_the_answer() {
    struct Question(u32, Numbers);
    let (ours, theirs) = port::pair::<Question, ()>();
    let answers = thread::spawn(move || {
        theirs.iter().try_for_each(|Question(n, answer)| answer.send(n * 2).wait()).expect("it is heard");
    });
    for n in 1..=3 {
        let (answer, asked) = pair();
        assert!(ours.try_send(Question(n, asked)).is_ok());
        assert_eq!(answer.recv().wait(), Ok(n * 2));
    }
    drop(ours);
    answers.join().expect("it ends");
}

#[test]
fn port_in_an_unreceived_message_is_closed() {
    let (ours, theirs) = pair();
    let (carry, carried) = port::pair::<Numbers, ()>();
    carry.try_send(theirs).expect("there is room");
    assert!(!ours.is_closed());
    drop(carried);
    assert!(ours.is_closed());
}

// ----- waiting for a message that fits

#[test]
fn wait_for_takes_the_first_match_and_keeps_the_others() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=9);
    assert_eq!(theirs.wait_for(|n| n % 4 == 0).wait(), Ok(4));
    assert_eq!(theirs.wait_for(|n| n % 4 == 0).wait(), Ok(8));
    assert_eq!(theirs.wait_for(|n| *n < 3).wait(), Ok(1), "those that were kept are looked at");
    assert_eq!(there(&theirs), [2, 3, 5, 6, 7, 9]);
}

#[test]
fn wait_for_waits_for_a_later_match() {
    let (ours, theirs) = pair();
    let sender = thread::spawn(move || (1..=500).try_for_each(|n| ours.send(n).wait()));
    assert_eq!(theirs.wait_for(|n| *n == 400).wait(), Ok(400));
    assert!(theirs.iter().eq((1..400).chain(401..=500)));
    assert_eq!(sender.join().expect("it sends"), Ok(()));
}

#[test]
fn wait_for_checks_each_message_once() {
    let (ours, theirs) = pair();
    let looked = Mutex::new(Vec::new());
    let mut waits = pin!(theirs.wait_for(|n| {
        looked.lock().expect("no holder panics").push(*n);
        *n == 5
    }));
    for n in 1..=4 {
        send_all(&ours, [n]);
        assert!(poll(waits.as_mut()).is_pending());
    }
    send_all(&ours, [5]);
    assert_eq!(poll(waits), Poll::Ready(Ok(5)));
    assert_eq!(*looked.lock().expect("no holder panics"), [1, 2, 3, 4, 5]);
}

#[test]
fn dropped_or_late_wait_for_loses_nothing() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=3);
    {
        let mut waits = pin!(theirs.wait_for(|n| *n == 9));
        assert!(poll(waits.as_mut()).is_pending());
        send_all(&ours, [4]);
        assert!(poll(waits.as_mut()).is_pending());
    }
    assert!(theirs.wait_for(|n| *n == 9).wait_timeout(MILLISECOND).is_err());
    assert!(pollster::block_on(timeout(MILLISECOND, theirs.wait_for(|n| *n == 9))).is_err());
    assert_eq!(theirs.recv().wait(), Ok(1));
    drop(ours);
    assert_eq!(theirs.wait_for(|n| *n == 9).wait(), Err(RecvError));
    assert_eq!(there(&theirs), [2, 3, 4]);
}

#[test]
fn panicking_predicate_loses_no_message() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=3);
    let looks = || theirs.wait_for(|n| if *n == 2 { panic!("two") } else { false }).wait();
    assert!(catch_unwind(AssertUnwindSafe(looks)).is_err());
    assert_eq!(there(&theirs), [1, 2, 3]);
}

#[test]
fn skipped_messages_take_no_room() {
    for bound in [0, 1] {
        let (ours, theirs) = if bound == 0 { port::rendezvous::<u32, u32>() } else { port::bounded(bound) };
        let sender = thread::spawn(move || (1..=100).try_for_each(|n| ours.send(n).wait()));
        assert_eq!(theirs.wait_for(|n| *n == 100).wait(), Ok(100));
        assert_eq!(sender.join().expect("it sends"), Ok(()));
        assert!(theirs.iter().eq(1..100));
    }
}

#[test]
fn messages_that_do_not_match_do_not_delay_the_time_limit() {
    let (ours, theirs) = port::bounded::<u32, u32>(16);
    let sender = thread::spawn(move || while ours.send(1).wait().is_ok() {});
    assert!(theirs.wait_for(|n| *n == 2).wait_timeout(5 * MILLISECOND).is_err());
    drop(theirs);
    sender.join().expect("it ends");
}

#[test]
fn receiver_is_woken_for_a_message_that_another_skipped() {
    let (ours, theirs) = pair();
    let mut even = pin!(theirs.wait_for(|n| n % 2 == 0));
    let mut odd = pin!(theirs.wait_for(|n| n % 2 == 1));
    assert!(poll(even.as_mut()).is_pending());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(odd.as_mut().poll(&mut cx).is_pending());
    send_all(&ours, [1]);
    assert_eq!(woken.times(), 1);
    assert!(odd.as_mut().poll(&mut cx).is_ready());
    let mut odd = pin!(theirs.wait_for(|n| n % 2 == 1));
    send_all(&ours, [3]);
    assert!(poll(even.as_mut()).is_pending(), "it passes it over");
    assert_eq!(poll(odd.as_mut()), Poll::Ready(Ok(3)));
    send_all(&ours, [4]);
    let mut odd = pin!(theirs.wait_for(|n| n % 2 == 1));
    assert!(odd.as_mut().poll(&mut cx).is_pending(), "it passes the other's over");
    assert_eq!(poll(even), Poll::Ready(Ok(4)));
}

#[test]
fn receiver_waits_for_messages_that_a_predicate_rejects() {
    let (ours, theirs) = pair();
    send_all(&ours, 1..=3);
    let ((looks, has_looked), (tell, reports)) = (mpsc::channel(), mpsc::channel());
    thread::scope(|scope| {
        let theirs = &theirs;
        let waits = scope.spawn(move || {
            let fits = |n: &u32| {
                looks.send(*n).expect("the test listens");
                reports.recv().expect("the test tells");
                *n == 2
            };
            theirs.wait_for(fits).wait()
        });
        assert_eq!(has_looked.recv(), Ok(1));
        assert_eq!(theirs.try_recv(), Err(TryRecvError::Empty), "2 and 3 are not before 1");
        tell.send(()).expect("it listens");
        assert_eq!(has_looked.recv(), Ok(2));
        tell.send(()).expect("it listens");
        assert_eq!(waits.join().expect("it waits"), Ok(2));
    });
    assert_eq!(there(&theirs), [1, 3]);
}

#[test]
fn port_stays_open_while_its_last_message_is_checked() {
    let (ours, theirs) = pair();
    send_all(&ours, [1]);
    drop(ours);
    let ((looks, has_looked), (tell, reports)) = (mpsc::channel(), mpsc::channel());
    thread::scope(|scope| {
        let theirs = &theirs;
        let waits = scope.spawn(move || {
            let fits = |n: &u32| {
                looks.send(*n).expect("the test listens");
                reports.recv().expect("the test tells");
                false
            };
            theirs.wait_for(fits).wait()
        });
        assert_eq!(has_looked.recv(), Ok(1));
        assert_eq!(theirs.try_recv(), Err(TryRecvError::Empty));
        let receives = scope.spawn(|| theirs.recv().wait());
        tell.send(()).expect("it listens");
        assert_eq!(waits.join().expect("it waits"), Err(RecvError));
        assert_eq!(receives.join().expect("it waits"), Ok(1));
    });
}

// ----- futures, streams and sinks

#[test]
fn dropped_receive_takes_no_message() {
    let (ours, theirs) = pair();
    let mut first = Box::pin(theirs.recv());
    let mut second = pin!(theirs.recv());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    send_all(&ours, [4]);
    drop(first);
    assert_eq!(poll(second), Poll::Ready(Ok(4)));
}

#[test]
fn pending_stream_keeps_no_message_from_a_receiver() {
    let (ours, mut theirs) = pair();
    assert!(theirs.next().now_or_never().is_none());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut receiving = pin!(theirs.recv());
    assert!(receiving.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    send_all(&ours, [4]);
    assert_eq!(woken.times(), 1);
    assert_eq!(poll(receiving), Poll::Ready(Ok(4)));
}

#[test]
fn sink_waits_for_room_and_returns_items_of_a_closed_port() {
    let (mut ours, theirs) = port::bounded::<u32, u32>(1);
    pollster::block_on(async {
        SinkExt::send(&mut ours, 1).await.expect("there is room");
        ours.feed(2).await.expect("it stands in line");
        assert!(ours.feed(3).now_or_never().is_none(), "one at a time");
        assert_eq!(theirs.recv().await, Ok(1));
        ours.flush().await.expect("there is room");
        assert_eq!(theirs.recv().await, Ok(2));
        drop(theirs);
        assert_eq!(SinkExt::send(&mut ours, 4).await, Err(SendError(4)));
    });
}

#[test]
fn items_taken_by_a_sink_arrive_after_its_port_closes() {
    let (mut ours, theirs) = port::bounded::<u32, u32>(1);
    pollster::block_on(async {
        ours.feed(1).await.expect("there is room");
        ours.feed(2).await.expect("it stands in line");
    });
    drop(ours);
    assert_eq!(there(&theirs), [1, 2]);
    assert_eq!(theirs.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn stream_forwards_into_a_port() {
    let (ours, theirs) = port::bounded::<u32, u32>(2);
    let (source, numbers) = pair();
    let forwards = thread::spawn(move || pollster::block_on(numbers.map(|n| Ok(n * 2)).forward(ours)));
    send_all(&source, 1..=50);
    drop(source);
    assert!(theirs.iter().eq((1..=50).map(|n| n * 2)));
    assert_eq!(forwards.join().expect("it ends"), Ok(()));
}

#[test]
fn ports_work_on_other_runtimes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("it starts");
    let (ours, theirs) = port::bounded::<u32, u32>(1);
    let echo = runtime.spawn(async move {
        while let Ok(n) = theirs.recv().await {
            theirs.send(n + 1).await.expect("it is heard");
        }
    });
    smol::block_on(async {
        for n in 1..=100 {
            ours.send(n).await.expect("it is heard");
            assert_eq!(ours.recv().await, Ok(n + 1));
        }
    });
    drop(ours);
    runtime.block_on(echo).expect("it ends");
}

// ----- handlers

#[test]
fn dropped_handler_receives_nothing_more() {
    let (ours, theirs) = pair();
    let (tell, reports) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let listening = theirs.on_message(move |n| {
        tell.send(n).expect("the test listens");
        may_go_on.recv().expect("the test tells");
    });
    send_all(&ours, 1..=5);
    assert_eq!(reports.recv(), Ok(1));
    drop(listening); // while it handles the first message
    go_on.send(()).expect("it listens");
    assert_eq!(reports.recv(), Err(mpsc::RecvError), "the handler is gone");
    assert_eq!(there(&theirs), [2, 3, 4, 5]);
    send_all(&ours, [6]);
    assert_eq!(theirs.recv().wait(), Ok(6), "the port lives on");
}

#[test]
fn detached_handler_runs_until_the_other_port_closes() {
    let (ours, theirs) = pair();
    let (tell, reports) = mpsc::channel();
    theirs.on_message(move |n| tell.send(n).expect("the test listens")).expect("there is a pool").detach();
    send_all(&ours, 1..=500);
    drop(ours);
    assert!(reports.iter().eq(1..=500), "and then the handler is gone");
    drop(theirs);
}

#[test]
fn handler_ends_when_its_own_port_closes() {
    let (ours, theirs) = pair();
    let (tell, reports) = mpsc::channel::<u32>();
    let listening = theirs.on_message(move |n| tell.send(n).expect("the test listens")).expect("there is a pool");
    send_all(&ours, [1]);
    assert_eq!(reports.recv(), Ok(1));
    theirs.close();
    assert_eq!(ours.try_send(2), Err(TrySendError::Closed(2)), "though a handler listened");
    assert_eq!(reports.recv(), Err(mpsc::RecvError), "the handler is gone");
    until(|| listening.is_over());
}

#[test]
fn running_handler_does_not_delay_a_close() {
    let (ours, theirs) = pair();
    let (tell, reports) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let _listening = theirs.on_message(move |n| {
        tell.send(n).expect("the test listens");
        may_go_on.recv().expect("the test tells");
    });
    send_all(&ours, 1..=2);
    assert_eq!(reports.recv(), Ok(1));
    drop(theirs);
    ours.closed().wait();
    assert_eq!((ours.is_closed(), ours.try_recv()), (true, Err(TryRecvError::Closed)));
    go_on.send(()).expect("it listens");
    assert_eq!(reports.recv(), Err(mpsc::RecvError), "the second went with the port");
}

#[test]
fn handler_of_a_closed_port_takes_no_message_from_senders() {
    let (ours, theirs) = port::bounded::<u32, u32>(1);
    let (tell, reports) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let _listening = theirs.on_message(move |n| {
        tell.send(n).expect("the test listens");
        may_go_on.recv().expect("the test tells");
    });
    send_all(&ours, [1]);
    assert_eq!(reports.recv(), Ok(1));
    send_all(&ours, [2]);
    let mut sending = pin!(ours.send(3));
    assert!(poll(sending.as_mut()).is_pending());
    drop(theirs);
    go_on.send(()).expect("it listens");
    assert_eq!(reports.recv(), Err(mpsc::RecvError), "the handler is gone");
    assert_eq!(poll(sending), Poll::Ready(Err(SendError(3))));
}

#[test]
fn panic_in_a_handler_ends_that_message_alone() {
    let (ours, theirs) = pair();
    let (tell, reports) = mpsc::channel();
    let _listening = theirs.on_message(move |n| {
        assert_ne!(n, 2, "this one is not wanted");
        tell.send(n).expect("the test listens");
    });
    send_all(&ours, 1..=3);
    assert!(reports.iter().take(2).eq([1, 3]));
}

#[test]
fn handler_processes_one_message_at_a_time() {
    let (ours, theirs) = pair();
    let (at_once, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (tell, reports) = mpsc::channel();
    let seen = most.clone();
    let _listening = theirs.on_message(move |n| {
        seen.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        at_once.fetch_sub(1, Ordering::SeqCst);
        tell.send(n).expect("the test listens");
    });
    send_all(&ours, 0..300);
    assert!(reports.iter().take(300).eq(0..300));
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn handler_may_wait_for_answers_on_its_own_port() {
    let (ours, theirs) = pair();
    let theirs = Arc::new(theirs);
    let (echo, tell) = (theirs.clone(), mpsc::channel());
    let _listening = theirs.on_message(move |n| {
        let next = echo.recv().wait().expect("one follows");
        tell.0.send(n + next).expect("the test listens");
    });
    send_all(&ours, [1, 2]);
    assert_eq!(tell.1.recv(), Ok(3));
}

#[test]
fn errors_describe_their_cause() {
    let closed = "the other port is closed";
    assert_eq!([SendError(4).to_string(), RecvError.to_string()], [closed, closed]);
    assert_eq!(TrySendError::Full(4).to_string(), "the port is full");
    assert_eq!(TryRecvError::Empty.to_string(), "the port is empty");
    struct NoDebug;
    assert_eq!(format!("{:?}", TrySendError::Full(NoDebug)), "Full(..)");
}

/// A future that was polled once, with a waker of its own.
fn waiting<F: Future>(future: F) -> (Pin<Box<F>>, Arc<Woken>) {
    let (mut future, woken) = (Box::pin(future), Arc::new(Woken::default()));
    let waker = Waker::from(woken.clone());
    assert!(future.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    (future, woken)
}

#[test]
fn message_wakes_receiver_that_waits_longest() {
    let (ours, theirs) = pair();
    let mut waits: Vec<_> = (0..3).map(|_| waiting(theirs.recv())).collect();
    send_all(&ours, [1]);
    assert_eq!([0, 1, 2].map(|nth| waits[nth].1.times()), [1, 0, 0]);
    send_all(&ours, [2]);
    assert_eq!([0, 1, 2].map(|nth| waits[nth].1.times()), [1, 1, 0]);
    assert_eq!(poll(waits[1].0.as_mut()), Poll::Ready(Ok(1)));
    assert_eq!(poll(waits[0].0.as_mut()), Poll::Ready(Ok(2)));
    drop(ours);
    assert_eq!(waits[2].1.times(), 1, "the end wakes all");
}

#[test]
fn dropped_receiver_hands_its_notification_on() {
    let (ours, theirs) = pair();
    let (first, _) = waiting(theirs.recv());
    let (mut second, woken) = waiting(theirs.recv());
    send_all(&ours, [1]);
    assert_eq!(woken.times(), 0);
    drop(first);
    assert_eq!(woken.times(), 1);
    assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(1)));
}

#[test]
fn message_that_observer_passes_wakes_receiver() {
    let (ours, theirs) = pair();
    let (mut observer, seen) = waiting(theirs.wait_for(|n| *n == 7));
    let (mut receiver, woken) = waiting(theirs.recv());
    send_all(&ours, [1]);
    assert_eq!((seen.times(), woken.times()), (1, 1), "each observer sees each message");
    assert!(poll(observer.as_mut()).is_pending());
    assert_eq!(poll(receiver.as_mut()), Poll::Ready(Ok(1)));
    send_all(&ours, [7]);
    assert_eq!(poll(observer.as_mut()), Poll::Ready(Ok(7)));
}

#[test]
fn receiver_refused_while_observer_looks_is_woken() {
    let (ours, theirs) = pair();
    let refused = Mutex::new(None);
    let mut observer = pin!(theirs.wait_for(|_| {
        *refused.lock().unwrap() = Some(waiting(theirs.recv()));
        false
    }));
    send_all(&ours, [1]);
    assert!(poll(observer.as_mut()).is_pending());
    let (mut receiver, woken) = refused.lock().unwrap().take().expect("the observer has looked");
    assert_eq!(woken.times(), 1);
    assert_eq!(poll(receiver.as_mut()), Poll::Ready(Ok(1)));
}

#[test]
fn idle_stream_takes_no_notification_of_a_receiver() {
    let (ours, mut theirs) = pair();
    assert!(theirs.next().now_or_never().is_none());
    let (_receiver, woken) = waiting(theirs.recv());
    send_all(&ours, [1]);
    assert_eq!(woken.times(), 1);
}
