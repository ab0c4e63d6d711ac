//! Tests of each setting that is a time, at zero and beyond the end of the clock.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Local, Wait,
    executor::MaxQueue,
    messenger::Messenger,
    mock::Mock,
    pipeline::Pipeline,
    pool::Concurrency,
    port,
    prelude::*,
    service::Restart,
    sim,
    sim::Simulation,
    stream::{self, Credits},
    sync::{Backoff, Semaphore, main_guard},
    time::{HOUR, MILLISECOND, MINUTE, MockClock, SECOND, now, sleep, timeout},
};
use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::mpsc::{Receiver, Sender, channel},
    task::{Context as Cx, Poll, Waker},
    thread,
    time::{Duration, Instant, SystemTime},
};

pub struct Work;

#[define]
impl Work {
    pub fn echo(x: u32) -> u32 {
        x
    }

    pub async fn never() {
        pending::<()>().await;
    }

    pub fn advance_and_ask(cx: &Context<Self>, clock: MockClock) -> bool {
        clock.advance(HOUR);
        cx.should_yield()
    }

    pub fn tell(x: u32, to: Sender<u32>) {
        let _ = to.send(x);
    }

    pub fn hold(began: Sender<()>, go: Receiver<()>) {
        let _ = began.send(());
        let _ = go.recv();
    }

    pub fn sum(of: Vec<u32>) -> u32 {
        of.iter().sum()
    }
}

/// The time after which a clock ends.
const SPAN: Duration = Duration::from_secs(500 * 31_556_952);

/// A time that the system's clock can add, and that lies beyond the end.
const BEYOND: Duration = Duration::from_secs(1_000 * 31_556_952);

fn mocked<R>(f: impl FnOnce(&MockClock) -> R) -> R {
    let clock = MockClock::new();
    clock.run(|| f(&clock))
}

fn pool() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("the settings are sound")
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Cx::from_waker(Waker::noop()))
}

/// Checks that the future never completes, however far the clock is moved.
#[track_caller]
fn assert_never<F: Future>(clock: &MockClock, future: F) {
    let mut future = pin!(future);
    assert!(poll(future.as_mut()).is_pending(), "at once");
    clock.advance(Duration::MAX);
    assert!(poll(future.as_mut()).is_pending(), "at the end of the clock");
}

#[track_caller]
fn ready<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something"),
    }
}

// ----- the clock

#[test]
fn longest_advance_rings_all_alarms_before_the_end() {
    mocked(|clock| {
        let times = [HOUR, SPAN / 2, SPAN, SPAN + Duration::from_nanos(1), BEYOND, Duration::MAX];
        let mut sleeps = times.map(sleep);
        assert!(sleeps.iter_mut().all(|sleep| poll(Pin::new(sleep)).is_pending()));
        clock.advance(Duration::MAX);
        let is_over = sleeps.each_mut().map(|sleep| poll(Pin::new(sleep)).is_ready());
        assert_eq!(is_over, [true, true, true, false, false, false]);
        assert_eq!((clock.elapsed(), clock.next_alarm(), clock.advance_to_next()), (SPAN, None, false));
        for move_on in [MockClock::advance, MockClock::jump] {
            move_on(clock, SECOND);
            assert_eq!(clock.elapsed(), SPAN, "the clock stays at its end");
        }
        assert!(poll(pin!(sleep(Duration::ZERO))).is_ready());
    });
}

#[test]
fn longest_leap_rings_all_alarms_at_the_end() {
    mocked(|clock| {
        let mut rung = pin!(sleep(HOUR));
        assert!(poll(rung.as_mut()).is_pending());
        clock.jump(Duration::MAX);
        assert!(poll(rung).is_ready());
        assert_eq!(clock.elapsed(), SPAN);
    });
}

#[test]
fn zero_advance_rings_due_alarms() {
    mocked(|clock| {
        let job = Work::on(&pool()).echo(7).after(HOUR).submit();
        clock.advance(HOUR - MILLISECOND);
        clock.advance(Duration::ZERO);
        clock.jump(Duration::ZERO);
        assert_eq!((clock.next_alarm(), job.is_finished()), (Some(MILLISECOND), false));
    });
}

#[test]
fn local_is_driven_to_the_end_of_the_clock() {
    mocked(|clock| {
        let local = Local::new();
        let jobs = [HOUR, SPAN / 2, BEYOND].map(|delay| Work::on(&local).echo(7).after(delay).submit());
        assert_eq!(local.advance(clock, Duration::MAX).ran(), 2);
        assert_eq!((clock.elapsed(), jobs.map(|job| job.is_finished())), (SPAN, [true, true, false]));
        assert_eq!(local.advance(clock, Duration::MAX).ran(), 0);
    });
    mocked(|clock| {
        let local = Local::new();
        let never = Work::on(&local).echo(7).at(now() + BEYOND).submit();
        assert_eq!((clock.next_alarm(), clock.advance_to_next(), clock.elapsed()), (None, false, Duration::ZERO));
        assert_eq!((local.flush_all(clock).ran(), clock.elapsed()), (0, Duration::ZERO));
        never.cancel();
    });
}

#[test]
fn wall_clock_is_exact_far_from_now() {
    mocked(|clock| {
        let year_3000 = SystemTime::UNIX_EPOCH + 2 * SPAN + 30 * Duration::from_secs(31_556_952);
        clock.set_wall(year_3000);
        clock.advance(HOUR);
        assert_eq!(clock.wall(), year_3000 + HOUR);
        let minute = SystemTime::UNIX_EPOCH + MINUTE; // earlier than the clock was moved by
        clock.set_wall(minute);
        clock.advance(HOUR);
        assert_eq!(clock.wall(), minute + HOUR);
        clock.set_wall(SystemTime::UNIX_EPOCH - HOUR);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH);
    });
}

// ----- waits

#[test]
fn sleep_and_time_out_accept_zero_and_endless_times() {
    mocked(|clock| assert_never(clock, sleep(Duration::MAX)));
    mocked(|clock| assert_never(clock, timeout(Duration::MAX, pending::<()>())));
    mocked(|_| {
        ready(sleep(Duration::ZERO));
        sleep(Duration::ZERO).wait();
        assert!(ready(timeout(Duration::ZERO, pending::<()>())).is_err());
        assert_eq!(ready(timeout(Duration::ZERO, async { 7 })), Ok(7), "it is polled once");
    });
}

#[test]
fn recv_timeout_accepts_zero_and_endless_times() {
    mocked(|clock| {
        let (ours, _theirs) = port::pair::<(), u32>();
        assert_never(clock, timeout(Duration::MAX, ours.recv()));
    });
    mocked(|clock| {
        let messenger = Messenger::<u32>::new();
        let mut subscriber = messenger.subscribe();
        assert_never(clock, timeout(Duration::MAX, subscriber.recv()));
    });
    mocked(|clock| {
        let (_writer, mut reader) = stream::pipe((), Credits::new()).expect("sound");
        assert_never(clock, timeout(Duration::MAX, reader.read()));
        let (_sender, mut receiver) = stream::items::<u32>(4).expect("sound");
        assert_never(clock, timeout(Duration::MAX, receiver.recv()));
    });
    let (ours, theirs) = port::pair::<u32, u32>();
    assert!(ours.recv().wait_timeout(Duration::ZERO).is_err());
    assert!(ours.wait_for(|_| true).wait_timeout(Duration::ZERO).is_err());
    theirs.try_send(7).expect("there is room");
    assert_eq!(ours.recv().wait_timeout(Duration::ZERO).ok(), Some(Ok(7)), "what is there is taken");
    theirs.try_send(7).expect("there is room");
    assert_eq!(ours.wait_for(|_| true).wait_timeout(Duration::MAX).ok(), Some(Ok(7)));
    let messenger = Messenger::<u32>::new();
    let mut subscriber = messenger.subscribe();
    assert!(subscriber.recv().wait_timeout(Duration::ZERO).is_err());
    assert!(subscriber.wait_for(|_| true).wait_timeout(Duration::ZERO).is_err());
}

#[test]
fn blocking_wait_timeout_accepts_zero_and_endless_times() {
    let pool = pool();
    let (began, begins) = channel();
    let (go, gate) = channel();
    let job = Work::on(&pool).hold(began, gate).submit();
    begins.recv().expect("it runs");
    let job = job.wait_timeout(Duration::ZERO).expect_err("it holds");
    let job = job.wait_deadline(Instant::now()).expect_err("it holds");
    let permits = Semaphore::new(0);
    assert!(permits.acquire().wait_timeout(Duration::ZERO).is_err());
    thread::scope(|scope| {
        let waits = scope.spawn(|| job.wait_timeout(Duration::MAX).map_err(drop).expect("it waits for ever"));
        let acquires =
            scope.spawn(|| permits.acquire().wait_timeout(Duration::MAX).expect("it waits for ever").map(drop));
        while permits.waiting() == 0 {
            thread::yield_now();
        }
        go.send(()).expect("it holds");
        permits.add_permits(1);
        waits.join().expect("no panic").expect("it runs");
        acquires.join().expect("no panic").expect("it is granted");
    });
    let far = Instant::now() + BEYOND;
    assert!(matches!(Work::on(&pool).echo(7).submit().wait_deadline(far), Ok(Ok(7))));
}

#[test]
fn launch_and_close_accept_zero_and_endless_limits() {
    let launched = Work::service().launch_timeout(Duration::MAX).launch().wait_timeout(Duration::MAX);
    let service = launched.map_err(drop).expect("it waits").expect("it starts");
    assert_eq!(service.echo(7).wait().expect("it runs"), 7);
    assert!(Slow::service().launch_timeout(Duration::ZERO).launch().wait().is_err());
    assert!(Slow::service().launch().wait_timeout(Duration::ZERO).is_err());
    let idle = pool();
    idle.close_timeout(Duration::ZERO).wait().expect("nothing was left to do");
    mocked(|clock| {
        let busy = pool();
        let job = Work::on(&busy).never().submit();
        while busy.info().active > 0 || busy.info().queue_len > 0 {
            thread::yield_now();
        }
        let mut closing = busy.close_timeout(Duration::MAX);
        assert!(poll(Pin::new(&mut closing)).is_pending());
        clock.advance(Duration::MAX);
        assert!(poll(Pin::new(&mut closing)).is_pending());
        assert_eq!(busy.close_timeout(Duration::ZERO).wait().map_err(|left| left.running()), Err(1));
        assert!(matches!(job.wait(), Err(CallError::Cancelled(_))));
    });
    main_guard().limit(Duration::ZERO).join().expect("nothing keeps the program alive");
    main_guard().limit(Duration::MAX).join().expect("nothing keeps the program alive");
}

pub struct Slow;

#[define]
impl Slow {
    #[init]
    async fn start() -> Self {
        pending().await
    }

    pub fn nothing() {}
}

// ----- calls

#[test]
fn call_timeout_accepts_zero_and_endless_times() {
    mocked(|clock| {
        let pool = pool();
        let work = Work::on(&pool);
        let (to, reports) = channel();
        let limited = [
            work.tell(1, to.clone()).timeout(Duration::ZERO).submit(),
            work.tell(2, to.clone()).run_timeout(Duration::ZERO).submit(),
            work.tell(3, to.clone()).deadline(now()).submit(),
            work.tell(4, to).deadline(now() - SECOND).submit(),
        ];
        for job in limited {
            assert!(matches!(job.wait(), Err(CallError::TimedOut(_))));
        }
        assert_eq!(reports.iter().count(), 0, "none began");
        let unlimited = [
            work.never().timeout(Duration::MAX).submit(),
            work.never().run_timeout(Duration::MAX).submit(),
            work.never().deadline(now() + BEYOND).submit(),
            work.never().timeout(BEYOND).run_timeout(BEYOND).submit(),
        ];
        while pool.info().active > 0 || pool.info().queue_len > 0 {
            thread::yield_now();
        }
        clock.advance(Duration::MAX);
        assert!(unlimited.iter().all(|job| !job.is_finished()));
        unlimited.iter().for_each(Handle::cancel);
    });
}

#[test]
fn call_delay_accepts_endless_times() {
    mocked(|clock| {
        let pool = pool();
        let work = Work::on(&pool);
        assert_eq!(work.echo(7).after(Duration::ZERO).wait().expect("it runs"), 7);
        assert_eq!(work.echo(7).at(now() - SECOND).wait().expect("it runs"), 7);
        let limited = work.echo(7).after(Duration::MAX).deadline(now() + HOUR).submit();
        let never = [work.echo(7).after(Duration::MAX), work.echo(7).at(now() + BEYOND), work.echo(7).after(BEYOND)];
        let never = never.map(|call| call.timeout(HOUR).submit()); // which counts from the time at which it is due
        clock.advance(Duration::MAX);
        assert!(matches!(limited.wait(), Err(CallError::TimedOut(_))));
        assert!(never.iter().all(|job| !job.is_finished()));
        never.iter().for_each(Handle::cancel);
        pool.drained().wait();
        let info = pool.info();
        assert_eq!((info.in_flight, info.completed), (0, 2), "the others never came to the pool");
    });
}

#[test]
fn expiration_accepts_zero_and_endless_times() {
    mocked(|clock| {
        let pool = Pool::builder()
            .concurrency(Concurrency::Exact(1))
            .max_wait(Priority::Low, Duration::ZERO)
            .max_wait(Priority::Idle, Duration::MAX)
            .build()
            .expect("sound");
        pool.pause();
        let (work, (to, reports)) = (Work::on(&pool), channel());
        let tell = |n| work.tell(n, to.clone());
        let jobs = [
            tell(7).serve_within(Duration::MAX).submit(),
            tell(6).priority(Priority::Idle).submit(),
            tell(3).submit(),
            tell(4).serve_within(HOUR).submit(),
            tell(2).priority(Priority::Low).submit(),
        ];
        clock.advance(MILLISECOND);
        let later = [tell(5).serve_within(BEYOND / 4).submit(), tell(1).priority(Priority::Immediate).submit()];
        pool.resume();
        pool.drained().wait();
        let order: Vec<_> = reports.try_iter().collect();
        // Equal calls run in the order in which they came: 7 and 6 both wait for ever.
        assert!(order == [2, 1, 3, 4, 5, 7, 6] || order == [1, 2, 3, 4, 5, 7, 6], "{order:?}");
        drop((jobs, later));
    });
}

#[test]
fn slice_accepts_zero_and_endless_times() {
    mocked(|clock| {
        for (slice, expected) in [(Duration::ZERO, true), (Duration::MAX, false)] {
            let pool = Pool::builder().concurrency(Concurrency::Exact(1)).slice(slice).build().expect("sound");
            assert_eq!(Work::on(&pool).advance_and_ask(clock.clone()).wait().expect("it runs"), expected);
        }
    });
}

// ----- settings of executors

#[test]
fn executor_settings_accept_zero_and_endless_times() {
    for idle in [Duration::ZERO, Duration::MAX] {
        let pool = Pool::builder()
            .concurrency(Concurrency::Exact(2))
            .min_concurrency(Concurrency::Exact(1))
            .idle_timeout(idle)
            .spin_before_park(Duration::ZERO)
            .max_queue(MaxQueue::Unbounded)
            .build()
            .expect("sound");
        assert_eq!(Work::on(&pool).echo(7).wait().expect("it runs"), 7);
    }
    assert!(Pool::builder().spin_before_park(Duration::MAX).build().is_err(), "10 ms at most");
    assert!(Work::service().spin_before_park(Duration::MAX).launch().wait().is_err());
    for (within, is_sound) in [(Duration::ZERO, false), (Duration::MAX, true)] {
        let restart = Restart::on_panic().limit(3, within).backoff(Backoff::exponential(Duration::MAX));
        assert_eq!(Work::service().restart(restart).launch().wait().is_ok(), is_sound);
    }
    mocked(|_| {
        let local = Local::builder().max_wait(Priority::Normal, Duration::MAX).build().expect("sound");
        let work = Work::on(&local);
        let jobs = [work.echo(1).submit(), work.echo(2).submit(), work.echo(3).submit()];
        assert_eq!(local.run_for(Duration::ZERO).ran(), 0, "nothing has expired");
        assert_eq!(local.run_until_deadline(now()).ran(), 0);
        assert_eq!(local.run_for(Duration::MAX).ran(), 3);
        drop(jobs);
        let job = work.echo(4).submit();
        assert_eq!(local.run_until_deadline(now() + BEYOND).ran(), 1);
        drop(job);
    });
}

// ----- mocks and batches

#[test]
fn mock_delay_accepts_zero_and_endless_times() {
    mocked(|clock| {
        let mock = Mock::<Work>::new();
        mock.expect(|task| matches!(task, WorkTask::Echo { x: 1 }))
            .delay(Duration::ZERO)
            .returns(|_| WorkOutput::Echo(1));
        mock.expect(|task| matches!(task, WorkTask::Echo { x: 2 }))
            .delay(Duration::MAX)
            .returns(|_| WorkOutput::Echo(2));
        let work = Work::on(&mock);
        assert_eq!(work.echo(1).wait().expect("it is answered"), 1);
        assert_never(clock, work.echo(2).submit());
    });
}

#[test]
fn batch_latency_accepts_zero_and_endless_times() {
    for target in [Duration::ZERO, Duration::MAX] {
        let sums = Pipeline::from_iter(0..1_000)
            .batched(Work::tasks(), |work, numbers| work.sum(numbers))
            .latency(target)
            .collect()
            .wait()
            .expect("it runs");
        assert_eq!(sums.items.iter().sum::<u32>(), 499_500);
    }
}

// ----- the simulation

#[test]
fn simulation_ends_when_all_wait_beyond_its_clock() {
    for time in [BEYOND, Duration::MAX] {
        let error = Simulation::new().run(42, || sim::advance(time)).map(drop).expect_err("it never passes");
        assert!(error.is_deadlock(), "{error}");
    }
    let error = Simulation::new().run(42, || Work::tasks().echo(7).at(now() + BEYOND).wait()).map(drop);
    assert!(error.expect_err("it is never due").is_deadlock());
    let report = Simulation::new().run(42, || sim::advance(SPAN)).expect("that is its end");
    assert_eq!(report.elapsed, SPAN);
}

#[test]
fn simulation_grace_accepts_zero_and_endless_times() {
    for (grace, elapsed) in [(Duration::ZERO, Duration::ZERO), (Duration::MAX, HOUR)] {
        let simulation = Simulation::new().grace(grace).patience(grace);
        let report = simulation.run(42, || Work::tasks().echo(7).after(HOUR).submit().detach()).expect("it ends");
        assert_eq!(report.elapsed, elapsed, "{grace:?}");
    }
}
