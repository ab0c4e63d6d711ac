//! A property test: random pipelines against a model that is a plain iterator.
#![allow(missing_docs, clippy::missing_errors_doc)] // a test's name documents it

use nanolith::{
    pipeline::{OnError, Pipeline, Stage},
    pool::Concurrency,
    prelude::*,
};
use proptest::prelude::*;

pub struct Arithmetic;

#[define]
impl Arithmetic {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub async fn add_later(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn halve(x: i64) -> Result<i64, String> {
        if x % 5 == 0 { Err(format!("{x} is not for us")) } else { Ok(x / 2) }
    }

    pub fn reversed(of: Vec<i64>) -> Vec<i64> {
        of.into_iter().rev().collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Does {
    Add(i64),
    AddLater(i64),
    AddOnService(i64),
    Halve,
    Map(i64),
    TryMap,
    Batches,
}

#[derive(Clone, Copy, Debug)]
struct Random {
    does: Does,
    concurrency: usize,
    ordered: bool,
    buffer: usize,
}

fn random() -> impl Strategy<Value = Random> {
    let does = prop_oneof![
        (-9..9_i64).prop_map(Does::Add),
        (-9..9_i64).prop_map(Does::AddLater),
        (-9..9_i64).prop_map(Does::AddOnService),
        Just(Does::Halve),
        (-9..9_i64).prop_map(Does::Map),
        Just(Does::TryMap),
        Just(Does::Batches),
    ];
    (does, 1..5_usize, any::<bool>(), 1..20_usize).prop_map(|(does, concurrency, ordered, buffer)| Random {
        does,
        concurrency,
        ordered,
        buffer,
    })
}

fn halve(x: i64) -> Result<i64, &'static str> {
    if x % 5 == 0 { Err("not for us") } else { Ok(x / 2) }
}

/// Applies settings and erases the kind of the stage, since the next stage may be of any kind.
fn set<K: Stage>(pipeline: Pipeline<i64, K>, random: Random) -> Pipeline<i64, K> {
    let pipeline = pipeline.concurrency(random.concurrency).buffer(random.buffer);
    if random.ordered { pipeline.ordered() } else { pipeline.unordered() }
}

/// Adds the first of the stages, and the remaining stages to its output.
fn run<K>(
    pipeline: Pipeline<i64, K>,
    stages: &[Random],
    on: &(Pool, Service<Arithmetic>),
) -> Result<Vec<i64>, nanolith::pipeline::ItemError> {
    let Some((first, rest)) = stages.split_first() else {
        return Ok(pipeline.on_error(OnError::Skip).collect().wait()?.items);
    };
    let (pool, service) = on;
    match first.does {
        Does::Add(y) => {
            run(set(pipeline.stage(Arithmetic::on(pool), move |calls, x| calls.add(x, y)), *first), rest, on)
        }
        Does::AddLater(y) => {
            run(set(pipeline.stage(Arithmetic::tasks(), move |calls, x| calls.add_later(x, y)), *first), rest, on)
        }
        Does::AddOnService(y) => {
            run(set(pipeline.stage(service.clone(), move |calls, x| calls.add(x, y)), *first), rest, on)
        }
        Does::Halve => run(set(pipeline.try_stage(Arithmetic::tasks(), |calls, x| calls.halve(x)), *first), rest, on),
        Does::Map(y) => run(set(pipeline.map(pool, move |x| x + y), *first), rest, on),
        Does::TryMap => run(set(pipeline.try_map(pool, halve), *first), rest, on),
        Does::Batches => {
            let batches =
                pipeline.batched(service.clone(), |calls, of| calls.reversed(of)).concurrency(first.concurrency);
            let batches = batches.sizes(1..=first.buffer).buffer(first.buffer).map(pool, |batch| {
                let mut batch = batch;
                batch.reverse();
                batch
            });
            // Sums each batch of batches to one number, so that the sum of the output is that of
            // the input.
            let single = batches
                .batched(Arithmetic::tasks(), |calls, of: Vec<Vec<i64>>| calls.add(of.into_iter().flatten().sum(), 0));
            run(single.sizes(1..=1).buffer(3), rest, on)
        }
    }
}

fn model(numbers: Vec<i64>, stage: Random) -> Vec<i64> {
    match stage.does {
        Does::Add(y) | Does::AddLater(y) | Does::AddOnService(y) | Does::Map(y) => {
            numbers.into_iter().map(|x| x + y).collect()
        }
        Does::Halve | Does::TryMap => numbers.into_iter().filter_map(|x| halve(x).ok()).collect(),
        Does::Batches => numbers,
    }
}

/// Whether a stage has batches. Batches are sums here, so only the sum of the output can be
/// compared.
fn has_batches(stages: &[Random]) -> bool {
    stages.iter().any(|stage| matches!(stage.does, Does::Batches))
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pipeline_results_equal_those_of_an_iterator(
        numbers in prop::collection::vec(-1_000..1_000_i64, 0..300),
        stages in prop::collection::vec(random(), 0..5),
    ) {
        let on = (
            Pool::builder().concurrency(Concurrency::Exact(2)).build().expect("the system gives threads"),
            Arithmetic::service().max_queue(7).launch().wait().expect("the system gives a thread"),
        );
        // After a stage has summed numbers, single numbers are not comparable. Only the stages
        // before it count.
        let upto = stages.iter().position(|stage| matches!(stage.does, Does::Batches)).map_or(stages.len(), |at| at + 1);
        let stages = &stages[..upto];
        let mut given = run(Pipeline::from_iter(numbers.clone()), stages, &on).expect("errors are skipped");
        let mut expected = stages.iter().fold(numbers, |numbers, stage| model(numbers, *stage));
        if has_batches(stages) {
            prop_assert_eq!(given.iter().sum::<i64>(), expected.iter().sum::<i64>());
            return Ok(());
        }
        if !stages.iter().all(|stage| stage.ordered) {
            given.sort_unstable();
            expected.sort_unstable();
        }
        prop_assert_eq!(given, expected);
        on.0.drained().wait();
    }
}
