//! Tests of whole programs in a deterministic simulation: the same seed runs in the same way, other
//! seeds find other orders, and nothing hangs.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    Cluster, Wait,
    messenger::Messenger,
    pool::{Concurrency, GlobalPool},
    port,
    prelude::*,
    service::{Crash, LifeEvent, Restart},
    sim,
    sim::{SimError, Simulation},
    stream::{self, Credits},
    sync::Backoff,
    time::{HOUR, MILLISECOND, MINUTE, SECOND, sleep},
};
use rayon::prelude::*;
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

pub type Log = Arc<Mutex<Vec<u64>>>;

pub fn note(log: &Log, n: u64) {
    log.lock().expect("no holder panics").push(n);
}

pub fn noted(log: &Log) -> Vec<u64> {
    log.lock().expect("no holder panics").clone()
}

pub struct Work;

#[define]
impl Work {
    pub fn add(x: u64, y: u64) -> u64 {
        x + y
    }

    pub fn note(n: u64, log: Log) {
        note(&log, n);
    }

    /// Waits for a nested call, `depth` levels deep.
    pub fn nested(depth: u64, pool: Pool) -> u64 {
        if depth == 0 { 0 } else { 1 + Work::on(&pool).nested(depth - 1, pool.clone()).wait().expect("it ends") }
    }

    pub fn waits_for_other(gate: port::Port<u64, u64>) -> u64 {
        gate.recv().wait().unwrap_or(0)
    }

    pub fn waits_for(gate: port::Port<(), u64>) -> u64 {
        gate.recv().wait().unwrap_or(0)
    }

    pub async fn later(n: u64, after: Duration) -> u64 {
        sleep(after).await;
        n
    }

    pub fn says(pool: Pool) -> String {
        format!("{pool:?}")
    }

    /// Returns a sum, and the number of threads that computed it.
    pub fn sums(factor: u64) -> (u64, usize) {
        let threads = Mutex::new(BTreeSet::new());
        let sum = (1..=100_u64).into_par_iter().map(|n| {
            threads.lock().expect("no holder panics").insert(format!("{:?}", std::thread::current().id()));
            n * factor
        });
        let sum = sum.sum();
        (sum, threads.into_inner().expect("no holder panics").len())
    }
}

pub struct Account {
    balance: u64,
    held: u64,
}

#[define]
impl Account {
    #[init]
    fn open(balance: u64) -> Self {
        Self { balance, held: 0 }
    }

    pub fn read(&self) -> u64 {
        self.balance
    }

    pub fn write(&mut self, balance: u64) {
        self.balance = balance;
    }

    pub fn deposit(&mut self, sum: u64) -> u64 {
        self.balance += sum;
        self.balance
    }

    pub fn panics(&mut self) {
        self.held += 1;
        panic!("no funds")
    }

    pub async fn later(&self, after: Duration) -> u64 {
        sleep(after).await;
        self.balance
    }
}

fn account(balance: u64) -> Service<Account> {
    Account::service(balance).launch().wait().expect("it starts")
}

/// Two tasks record the order in which they run.
fn race() -> Vec<u64> {
    let log = Log::default();
    let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("there are threads");
    let jobs = [1, 2].map(|n| Work::on(&pool).note(n, log.clone()).submit());
    jobs.into_iter().for_each(|job| job.wait().expect("it runs"));
    noted(&log)
}

// ----- seeds

#[test]
fn simulation_returns_the_value_of_its_closure() {
    assert_eq!(sim(1, || Work::tasks().add(4, 5).wait()).ok(), Some(9));
    assert!(!sim::is_simulated());
}

/// Runs a bit of everything that has threads.
fn town() -> u64 {
    let pool = Pool::builder().concurrency(Concurrency::Exact(3)).build().expect("there are threads");
    let account = account(10);
    let cluster = Cluster::launch(2, || Account::service(1)).wait().expect("it starts");
    let jobs: Vec<_> = (0..6_u32).map(|n| Work::on(&pool).later(n.into(), n * SECOND).submit()).collect();
    let held = cluster.later(SECOND).submit();
    let sum: u64 = jobs.into_iter().map(|job| job.wait().expect("it ends")).sum();
    account.deposit(sum).wait().expect("it counts")
        + held.wait().expect("it ends")
        + Work::tasks().add(1, 1).wait().expect("it ends")
}

#[test]
fn same_seed_runs_the_same_way_a_hundred_times() {
    let run = || Simulation::new().run(7, town).expect("it ends");
    let first = run();
    assert!(first.trace.count() > 20, "{}", first.trace);
    for _ in 0..100 {
        let again = run();
        assert_eq!(again.trace, first.trace);
        assert_eq!((again.value, again.steps, again.elapsed), (first.value, first.steps, first.elapsed));
    }
}

#[test]
fn other_seeds_find_other_orders() {
    let mut orders = BTreeSet::new();
    let mut traces = BTreeSet::new();
    for seed in 0..30 {
        let report = Simulation::new().run(seed, race).expect("it ends");
        orders.insert(report.value);
        traces.insert(report.trace.fingerprint());
    }
    assert_eq!(orders, BTreeSet::from([vec![1, 2], vec![2, 1]]));
    assert!(traces.len() > 10, "{}", traces.len());
}

#[test]
fn sending_threads_are_interrupted() {
    let orders: BTreeSet<_> = (0..30)
        .map(|seed| {
            sim(seed, || {
                let (log, news) = (Log::default(), Messenger::<u64>::open("news").expect("it carries numbers"));
                let mut heard = news.join().subscribe();
                let hears = log.clone();
                let hearing =
                    sim::spawn(move || (0..3).for_each(|_| note(&hears, heard.recv().wait().expect("it is open"))));
                for n in 1..=3 {
                    news.send(n).wait().expect("it is open");
                    note(&log, 10 * n);
                }
                hearing.wait().expect("it ends");
                noted(&log)
            })
        })
        .collect();
    assert!(orders.len() > 3, "{orders:?}");
}

#[test]
fn user_code_draws_from_the_seed() {
    let draw = |seed| sim(seed, || [sim::random(), sim::random()]);
    assert_eq!(draw(3), draw(3));
    assert_ne!(draw(3), draw(4));
}

// ----- bugs that it finds

/// Two clients deposit by a read and a write. Each is a call, but the two together are not atomic.
fn lost_update() {
    let account = account(0);
    let clients = [1, 2].map(|sum| {
        let account = account.clone();
        sim::spawn(move || {
            let balance = account.read().wait().expect("it is open");
            account.write(balance + sum).wait().expect("it is open");
        })
    });
    clients.into_iter().for_each(|client| client.wait().expect("it deposits"));
    assert_eq!(account.read().wait().expect("it is open"), 3, "an update was lost");
}

#[test]
fn seed_of_a_lost_update_shows_it_again() {
    let outcome = |seed| Simulation::new().run(seed, lost_update).map(|_| ());
    let error = (0..100).find_map(|seed| outcome(seed).err()).expect("one of a hundred seeds finds it");
    assert!(error.panic().is_some_and(|panic| panic.message().contains("an update was lost")), "{error}");
    let again = outcome(error.seed()).expect_err("the same seed fails again");
    assert_eq!(again.trace(), error.trace());
    assert_eq!(again.to_string(), error.to_string());
    assert!((0..100).any(|seed| outcome(seed).is_ok()), "it does not always happen");
}

#[test]
fn explore_stops_at_the_first_failing_seed_and_names_it() {
    let runs = AtomicUsize::new(0);
    let explored = std::panic::catch_unwind(|| {
        sim::explore(0..1_000, || {
            runs.fetch_add(1, SeqCst);
            lost_update();
        });
    });
    let thrown = explored.expect_err("it finds the lost update");
    let message = thrown.downcast_ref::<String>().expect("it says so in words");
    let seed = runs.load(SeqCst) - 1;
    assert!(
        message.starts_with(&format!("simulation failed with seed {seed}: run it again with NANOLITH_SIM_SEED={seed}"))
    );
    assert!(message.contains("an update was lost"), "{message}");
}

/// Each waits for a message that only the other could send. No executor knows of these waits.
fn embrace() {
    let pool = Pool::builder().name("hugs").concurrency(Concurrency::Exact(2)).build().expect("there are threads");
    let (left, right) = port::pair::<u64, u64>();
    let jobs = [left, right].map(|gate| Work::on(&pool).waits_for_other(gate).submit());
    jobs.into_iter().for_each(|job| drop(job.wait()));
}

#[test]
fn deadlock_is_reported() {
    let error = failed(5, embrace);
    assert!(error.is_deadlock(), "{error}");
    let waiting = error.threads().iter().filter(|thread| thread.contains("`waits_for_other` waits")).count();
    assert_eq!(waiting, 2, "{error}");
    assert!(error.threads().iter().any(|thread| thread.starts_with("main") && thread.contains("`hugs`")), "{error}");
}

fn failed<R: Send>(seed: u64, f: impl FnOnce() -> R + Send) -> SimError {
    Simulation::new().run(seed, f).map(drop).expect_err("it fails")
}

#[test]
fn live_lock_reaches_the_step_limit() {
    let careful = Simulation::new().step_limit(5_000);
    let error = careful.run(5, || {
        let _nap = sim::spawn(|| {
            loop {
                sim::advance(MILLISECOND);
            }
        });
        loop {
            sim::yield_now();
        }
    });
    let error = error.map(drop).expect_err("it has no end");
    assert!(error.is_live_lock(), "{error}");
    assert!(
        error.threads().iter().any(|thread| thread == "main: polls for something" || thread == "main: runs"),
        "{error}"
    );
}

#[test]
fn panic_inside_carries_the_seed_and_its_payload() {
    let error = failed(9, || {
        let _account = account(1);
        panic!("no luck")
    });
    assert_eq!((error.seed(), error.panic().map(nanolith::call::Panic::message)), (9, Some("no luck")));
    let thrown = std::panic::catch_unwind(|| sim(9, || panic!("no luck"))).expect_err("it panics");
    let message = thrown.downcast_ref::<String>().expect("it says so in words");
    assert!(
        message.contains("seed 9") && message.contains("no luck") && message.contains("simulation.rs"),
        "{message}"
    );
}

#[test]
fn panic_of_an_unjoined_thread_fails_the_simulation() {
    let error = failed(2, || {
        sim::spawn(|| panic!("alone")).detach();
        sim::advance(SECOND);
    });
    assert_eq!(error.panic().map(nanolith::call::Panic::message), Some("alone"));
    let heard = sim(2, || sim::spawn(|| panic!("heard")).wait().map_err(|panic| panic.message().to_owned()));
    assert_eq!(heard, Err::<(), _>("heard".to_owned()));
}

// ----- time

#[test]
fn day_of_schedules_passes_at_once() {
    let began = Instant::now();
    let (ticks, elapsed) = sim(1, || {
        let ticks = Log::default();
        let ticker = {
            let ticks = ticks.clone();
            sim::spawn(move || {
                for minute in 0..24 * 60 {
                    sleep(MINUTE).wait();
                    note(&ticks, minute);
                }
            })
        };
        let hourly = Work::tasks().later(24, 24 * HOUR).submit();
        ticker.wait().expect("it ticks");
        assert_eq!(hourly.wait().expect("it ends"), 24);
        (noted(&ticks).len(), sim::elapsed())
    });
    assert_eq!((ticks, elapsed), (24 * 60, 24 * HOUR));
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[test]
fn time_limits_hold_to_the_nanosecond() {
    sim(4, || {
        let began = sim::elapsed();
        let late = Work::tasks().later(1, HOUR).timeout(MINUTE).wait();
        assert!(matches!(late, Err(CallError::TimedOut(_))), "{late:?}");
        assert_eq!(sim::elapsed() - began, MINUTE);
        let job = Work::tasks().later(1, HOUR).submit();
        let Err(job) = job.wait_timeout(SECOND) else { panic!("it takes an hour") };
        assert_eq!(sim::elapsed() - began, MINUTE + SECOND);
        assert_eq!(job.wait().expect("it ends"), 1);
        assert_eq!(sim::elapsed() - began, MINUTE + HOUR);
    });
}

#[test]
fn polling_loop_reaches_its_end() {
    sim::explore(0..20, || {
        let job = Work::tasks().later(5, HOUR).submit();
        while !job.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!((job.wait().ok(), sim::elapsed()), (Some(5), HOUR));
    });
}

// ----- pools, services, clusters, messengers, streams

#[test]
fn nested_waits_raise_spare_threads_at_concurrency_two() {
    sim::explore(0..30, || {
        let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("there are threads");
        let jobs: Vec<_> = (0..4).map(|n| Work::on(&pool).nested(5 + n, pool.clone()).submit()).collect();
        let gates: Vec<_> = (0..4).map(|_| port::pair::<u64, ()>()).collect();
        let waiting: Vec<_> =
            gates.into_iter().map(|(ours, theirs)| (ours, Work::on(&pool).waits_for(theirs).submit())).collect();
        sim::advance(MILLISECOND);
        assert!(pool.info().spare_threads >= 2, "{pool:?}");
        for (n, (gate, job)) in waiting.into_iter().enumerate() {
            gate.try_send(n as u64).expect("it is open");
            assert_eq!(job.wait().expect("it ends"), n as u64);
        }
        let depths: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it ends")).collect();
        assert_eq!(depths, [5, 6, 7, 8]);
    });
}

#[test]
fn crashed_service_restarts_after_its_backoff() {
    sim::explore(0..30, || {
        let backoff = Backoff::exponential(10 * SECOND).jitter(0.0);
        let restart = Restart::on_panic().limit(5, HOUR).backoff(backoff);
        let account = Account::service(10).restart(restart).launch().wait().expect("it starts");
        let mut life = account.control().life();
        assert!(account.panics().wait().is_err());
        assert_eq!(account.deposit(5).wait().expect("it starts anew"), 15);
        assert_eq!(sim::elapsed(), 10 * SECOND);
        let begun = account.later(HOUR).submit();
        sim::advance(SECOND);
        assert!(sim::crash(&account));
        assert_eq!(account.deposit(7).wait().expect("it starts anew"), 17);
        assert_eq!(sim::elapsed(), 31 * SECOND);
        assert!(matches!(begun.wait(), Err(CallError::Crashed(_))));
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Started)));
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { crash: Crash::Task(_), restarts: 1 })));
        assert!(matches!(life.recv().wait(), Some(LifeEvent::Restarted { crash: Crash::Simulated, restarts: 2 })));
    });
}

#[test]
fn backoff_jitter_comes_from_the_seed() {
    let rest = |seed| {
        sim(seed, || {
            let restart = Restart::on_panic().except_in_tasks().backoff(Backoff::exponential(SECOND).jitter(0.5));
            let account = Account::service(10).restart(restart).launch().wait().expect("it starts");
            sim::crash(&account);
            account.read().wait().expect("it starts anew");
            sim::elapsed()
        })
    };
    assert_eq!(rest(1), rest(1));
    assert_ne!(rest(1), rest(2));
}

#[test]
fn every_call_ends_once_though_a_cluster_loses_a_member() {
    sim::explore(0..30, || {
        let cluster = Cluster::launch(3, || Account::service(1)).wait().expect("it starts");
        let jobs: Vec<_> = (0..40).map(|_| cluster.later(SECOND).submit()).collect();
        let victim = (sim::random() % 3) as usize;
        let members = cluster.control().members();
        sim::advance((sim::random() % 2) as u32 * 500 * MILLISECOND);
        drop(cluster.control().use_member(members[victim]).map(|member| member.terminate()));
        let ended: Vec<_> = jobs.into_iter().map(Handle::wait).collect();
        assert!(ended.iter().all(|end| matches!(end, Ok(1) | Err(CallError::Closed(_)))), "{ended:?}");
        assert!(ended.iter().filter(|end| end.is_ok()).count() >= 20, "{ended:?}");
    });
}

#[derive(Default)]
pub struct Clerk {
    heard: Vec<u64>,
}

#[define]
impl Clerk {
    #[init]
    fn start() -> Self {
        Self::default()
    }

    pub fn listen(&mut self, name: String) -> Vec<u64> {
        let mut orders = Messenger::<u64>::open(name).expect("it carries numbers").subscribe();
        while let Ok(Ok(order)) = orders.recv().wait_timeout(MINUTE) {
            self.heard.push(order);
        }
        self.heard.clone()
    }

    pub fn read(&self, mut reader: stream::StreamReader<()>) -> String {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("it is finished");
        text
    }

    pub fn write(&self, mut writer: stream::StreamWriter<()>, text: String) {
        writer.write_all(text.as_bytes()).expect("the reader is there");
        writer.finish();
    }
}

#[test]
fn messenger_and_stream_connect_services() {
    sim::explore(0..30, || {
        let clerks = [0, 1].map(|_| Clerk::service().launch().wait().expect("it starts"));
        let listening = clerks[0].listen("orders".into()).submit();
        sim::advance(SECOND);
        let orders = Messenger::<u64>::open("orders").expect("it carries numbers");
        for order in 0..20 {
            orders.send(order).wait().expect("it is open");
        }
        assert_eq!(listening.wait().expect("it ends"), (0..20).collect::<Vec<_>>());

        let text = "a long text ".repeat(500);
        let (writer, reader) = stream::pipe((), Credits::new().bytes(64).chunks(4)).expect("there is room");
        let reading = clerks[0].read(reader).submit();
        let writing = clerks[1].write(writer, text.clone()).submit();
        assert_eq!(reading.wait().expect("it reads"), text);
        writing.wait().expect("it writes");
    });
}

#[test]
fn handlers_run_on_the_global_pool_of_the_simulation() {
    let before = GlobalPool.get().expect("it starts").info().completed;
    sim::explore(0..20, || {
        let (ours, theirs) = port::pair::<u64, u64>();
        let log = Log::default();
        let heard = log.clone();
        let listening = theirs.on_message(move |n| note(&heard, n)).expect("the pool starts");
        (0..10).for_each(|n| ours.send(n).wait().expect("it is open"));
        sim::advance(SECOND);
        assert_eq!(noted(&log), (0..10).collect::<Vec<_>>());
        drop(listening);
        assert_eq!(Work::tasks().add(1, 2).wait().expect("it runs"), 3);
    });
    assert_eq!(GlobalPool.get().expect("it starts").info().completed, before);
}

// ----- what is left

#[test]
fn calls_left_by_the_closure_run_to_their_end() {
    let log = Log::default();
    let report = Simulation::new().run(3, || {
        let log = log.clone();
        sim::spawn(move || {
            sim::advance(10 * SECOND);
            note(&log, 1);
        })
        .detach();
        Work::tasks().later(1, 20 * SECOND).submit().detach();
    });
    let report = report.expect("it ends");
    assert_eq!(noted(&log), [1]);
    assert!(report.left_over.is_empty(), "{:?}", report.left_over);
    assert!((20 * SECOND..=MINUTE).contains(&report.elapsed), "{:?}", report.elapsed);
}

#[test]
fn endless_calls_are_ended_and_reported() {
    struct Dropped(Log);
    impl Drop for Dropped {
        fn drop(&mut self) {
            note(&self.0, 1);
        }
    }
    let log = Log::default();
    let report = Simulation::new().run(3, || {
        let kept = account(1);
        let (dropped, other) = (Dropped(log.clone()), kept.clone());
        let (ours, theirs) = port::pair::<u64, u64>();
        sim::spawn(move || {
            let _kept = (dropped, other, ours);
            let _ = theirs.recv().wait(); // no message is sent
        })
        .detach();
        sim::advance(SECOND);
        kept // goes beyond the simulation's end
    });
    let report = report.expect("it ends");
    assert_eq!(report.left_over.len(), 2, "{:?}", report.left_over);
    assert_eq!((noted(&log), report.given_up), (vec![1], 0));
    assert!(report.value.info().is_closed);
}

#[test]
fn thread_blocked_outside_the_simulation_is_reported() {
    let hasty = Simulation::new().patience(20 * MILLISECOND);
    let report = hasty.run(1, || std::thread::sleep(200 * MILLISECOND)).expect("it ends");
    assert_eq!(report.held_up.len(), 1);
}

#[test]
fn concurrent_simulations_do_not_interact() {
    let run = |seed| {
        sim(seed, || {
            let orders = Messenger::<u64>::open("side by side").expect("it carries numbers");
            let mut heard = orders.join().subscribe();
            for n in 0..50 {
                orders.send(n).wait().expect("it is open");
            }
            let _kept = Work::tasks().later(1, SECOND).keep_alive(true).submit();
            nanolith::sync::main_guard().join().expect("there is no limit");
            let heard: Vec<u64> = (0..50).map(|_| heard.recv().wait().expect("it is open")).collect();
            (heard, sim::trace().fingerprint())
        })
    };
    let outside = Messenger::<u64>::open("side by side").expect("it carries numbers");
    let mut overheard = outside.join().subscribe();
    let alone = run(6);
    assert!(overheard.try_recv().is_err(), "a name is the simulation's own");
    let others: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| run(6))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    assert!(others.iter().all(|other| *other == alone));
}

#[test]
fn short_tasks_do_not_open_the_ring() {
    sim::explore(0..3, || {
        let pool = Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("there are threads");
        let jobs: Vec<_> = (0..200).map(|_| Work::on(&pool).says(pool.clone()).submit()).collect();
        let said: Vec<_> = jobs.into_iter().map(|job| job.wait().expect("it ends")).collect();
        assert!(said.iter().all(|said| said.contains("open: false")), "{}", said[199]);
    });
}

#[test]
fn parallel_iterator_within_a_task_stays_on_its_thread() {
    sim::explore(0..10, || {
        let pool = Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("there are threads");
        let jobs = [1, 2].map(|n| Work::on(&pool).sums(n).submit());
        let sums = jobs.map(|job| job.wait().expect("it ends"));
        assert_eq!(sums, [(5_050, 1), (10_100, 1)]);
    });
}

#[test]
fn available_cores_are_those_of_the_setting() {
    let cores = |simulation: Simulation| simulation.run(1, || Concurrency::X2.tasks()).expect("it ends").value;
    assert_eq!((cores(Simulation::new()), cores(Simulation::new().cores(3))), (8, 6));
}

#[test]
fn hundred_simulations_leave_no_threads() {
    let threads = || std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    sim(0, town);
    let before = threads();
    sim::explore(0..100, || assert!(town() > 0));
    // The simulation does not wait for their last steps.
    let ended = (0..1_000).any(|_| {
        std::thread::sleep(MILLISECOND);
        threads() <= before + 2
    });
    assert!(ended, "{before} threads, then {}", threads());
}

#[test]
fn endlessly_polling_thread_is_ended() {
    let careful = Simulation::new().step_limit(10_000);
    let report = careful.run(1, || {
        sim::spawn(|| {
            loop {
                sim::yield_now();
            }
        })
        .detach();
    });
    let report = report.expect("the closure ends");
    assert_eq!((report.left_over.len(), report.given_up), (1, 0), "{:?}", report.left_over);
}

#[test]
#[ignore = "run by the next"]
fn explored_seeds_are_counted() {
    let runs = AtomicUsize::new(0);
    sim::explore(0..5, || {
        runs.fetch_add(1, SeqCst);
    });
    println!("{} were run", runs.load(SeqCst));
}

#[test]
fn environment_variable_selects_one_seed() {
    let run = |seed: Option<&str>| {
        let mut test = std::process::Command::new(std::env::current_exe().expect("it is a file"));
        test.args(["--exact", "explored_seeds_are_counted", "--ignored", "--nocapture"])
            .env_remove("NANOLITH_SIM_SEED");
        seed.map(|seed| test.env("NANOLITH_SIM_SEED", seed));
        let output = test.output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run(None).contains("5 were run"));
    assert!(run(Some("77")).contains("1 were run"));
    assert!(run(Some("many")).contains("FAILED"));
}
