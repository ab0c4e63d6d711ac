//! What was given is given again.

use crate::desk::{Desk, Work, WorkCalls, WorkOutput, WorkTask};
use nanolith::{
    TaskSet,
    layers::{Cache, Layer, Layered},
    prelude::*,
    time::{HOUR, MockClock},
};
use std::sync::mpsc::{Sender, channel};

fn cache() -> Cache<Work, u32> {
    Cache::new(
        |task| if let WorkTask::Echo { x } = task { Some(*x) } else { None },
        |output| match output {
            WorkOutput::Echo(13) => panic!("a bad copy"),
            WorkOutput::Echo(x) if *x < 100 => Some(WorkOutput::Echo(*x)),
            _ => None,
        },
    )
}

fn over(desk: &Desk, cache: &Cache<Work, u32>) -> WorkCalls<Layered<Cache<Work, u32>, Desk>> {
    Work::calls(cache.clone().layer(desk.clone()))
}

#[test]
fn an_output_is_given_again_until_its_time_is_over() {
    let clock = MockClock::new();
    clock.run(|| {
        let (desk, cache) = (Desk::default(), cache().time_to_live(SECOND).capacity(2));
        let work = over(&desk, &cache);
        for round in 0..2 {
            let job = work.echo(1).submit();
            desk.succeed();
            assert_eq!(job.wait().expect("it ran"), 1, "round {round}");
            assert_eq!(work.echo(1).wait().expect("it is kept"), 1);
            clock.advance(SECOND);
        }
        let jobs = [2, 3].map(|x| work.echo(x).submit());
        desk.succeed();
        desk.succeed();
        assert!(jobs.into_iter().all(|job| job.wait().is_ok()));
        assert_eq!(cache.len(), 2);
        cache.clear();
        assert!(cache.is_empty());
    });
}

#[test]
fn calls_for_the_same_share_one_run() {
    let (desk, cache) = (Desk::default(), cache());
    let work = over(&desk, &cache);
    let jobs = [(); 3].map(|()| work.echo(1).submit());
    let other = work.echo(2).submit();
    assert_eq!(desk.len(), 2);
    desk.succeed();
    assert!(jobs.into_iter().all(|job| job.wait().expect("one of them ran") == 1));
    desk.fail();
    assert!(other.wait().is_err());
    let jobs = [(); 3].map(|()| work.echo(3).submit());
    desk.fail();
    assert!(jobs.into_iter().all(|job| matches!(job.wait(), Err(CallError::Lost(_)))), "they share an error too");
    let job = work.echo(3).submit();
    desk.succeed();
    assert_eq!(job.wait().expect("which is not kept"), 3);
}

#[test]
fn who_goes_leaves_it_to_the_others() {
    let (desk, cache) = (Desk::default(), cache());
    let work = over(&desk, &cache);
    let [first, second, third] = [(); 3].map(|()| work.echo(1).submit());
    second.cancel();
    first.cancel();
    assert_eq!(desk.len(), 1, "the third took over");
    desk.succeed();
    assert_eq!(third.wait().expect("it ran"), 1);
    let lonely = work.echo(2).submit();
    lonely.cancel();
    assert_eq!(desk.len(), 0);
    let job = work.echo(2).submit();
    desk.succeed();
    assert_eq!(job.wait().expect("nothing was left of the other"), 2);
}

pub struct Slow;

#[define]
impl Slow {
    #[task(idempotent)]
    pub async fn echo(begun: Sender<()>, x: u32) -> u32 {
        let _ = begun.send(());
        nanolith::time::sleep(HOUR).await;
        x
    }
}

#[test]
fn whose_run_takes_too_long_for_him_leaves_it_to_the_others() {
    let clock = MockClock::new();
    clock.run(|| {
        let cache = Cache::<Slow, u32>::new(
            |SlowTask::Echo { x, .. }| Some(*x),
            |SlowOutput::Echo(x)| Some(SlowOutput::Echo(*x)),
        );
        let slow = Slow::calls(cache.layer(Pool::builder().build().expect("the settings are sound")));
        let (tell, begun) = channel();
        let hurried = slow.echo(tell.clone(), 1).run_timeout(MINUTE).submit();
        begun.recv().expect("it begins");
        let patient = slow.echo(tell, 1).submit();
        clock.advance(MINUTE);
        assert!(matches!(hurried.wait(), Err(CallError::TimedOut(_))));
        while !patient.is_finished() {
            clock.advance(HOUR);
            std::thread::yield_now();
        }
        assert_eq!(patient.wait().expect("it has all the time in the world"), 1);
    });
}

#[test]
fn who_is_given_back_leaves_it_to_the_others() {
    let (desk, cache) = (Desk::with_room_for(0), cache());
    let work = over(&desk, &cache);
    assert!(work.echo(1).try_submit().expect_err("there is no room").is_full());
    desk.set_room(1);
    let job = work.echo(1).submit();
    desk.succeed();
    assert_eq!(job.wait().expect("nothing was left of the other"), 1);
}

#[test]
fn what_has_no_key_or_no_copy_goes_through() {
    let (desk, cache) = (Desk::default(), cache());
    let work = over(&desk, &cache);
    for _ in 0..2 {
        let jobs = [work.check(1).submit().detach(), work.once(1).submit().detach()];
        assert_eq!((desk.len(), jobs.len()), (2, 2));
        desk.succeed();
        desk.succeed();
    }
    for x in [100, 13] {
        let jobs = [(); 2].map(|()| work.echo(x).submit());
        assert_eq!(desk.len(), 1);
        desk.succeed();
        assert_eq!(desk.len(), 1, "the second runs for itself");
        desk.succeed();
        assert!(jobs.into_iter().all(|job| job.wait().expect("it ran") == x));
    }
    assert!(cache.is_empty());
}
