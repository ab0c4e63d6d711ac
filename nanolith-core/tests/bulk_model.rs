//! A property test: bulk work, which is many inputs through one task, against a model that is a
//! plain map. For any size, bound or failure, the results are the same.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{bulk::each, pool::Concurrency, prelude::*};
use once_cell::sync::Lazy;
use proptest::prelude::*;

pub struct Numbers;

#[define]
impl Numbers {
    pub fn double(n: u32) -> u64 {
        assert_ne!(n % 100, 99, "no luck");
        u64::from(n) * 2
    }

    pub fn triple(n: u32) -> u64 {
        u64::from(n) * 3
    }

    pub async fn quadruple(n: u32) -> u64 {
        u64::from(n) * 4
    }
}

static SMALL: Lazy<Pool> =
    Lazy::new(|| Pool::builder().concurrency(Concurrency::Exact(1)).max_queue(1).build().expect("it starts"));
static LARGE: Lazy<Pool> = Lazy::new(|| Pool::builder().concurrency(Concurrency::Exact(4)).build().expect("it starts"));

/// Returns the result of a plain map: `None` where it panics.
fn plain(n: u32) -> Option<u64> {
    match n % 7 {
        0 => Some(u64::from(n) * 4),
        1 | 2 => Some(u64::from(n) * 3),
        _ => (n % 100 != 99).then(|| u64::from(n) * 2),
    }
}

proptest! {
    #[test]
    fn bulk_results_equal_those_of_an_iterator(
        inputs in prop::collection::vec(0..100_000_u32, 0..3_000),
        in_flight in prop::option::of(1..300_usize),
        batch in prop::option::of(1..100_usize),
        unordered: bool,
        small: bool,
        same in prop::option::of(1..7_u32),
        take in prop::option::of(0..3_000_usize),
    ) {
        let inputs: Vec<_> = inputs.into_iter().map(|n| same.map_or(n, |rest| n / 7 * 7 + rest)).collect();
        let numbers = Numbers::on(if small { &*SMALL } else { &*LARGE });
        let mut results = each(&numbers, inputs.iter().copied(), |numbers, n| match n % 7 {
            0 => numbers.quadruple(n),
            1 | 2 => numbers.triple(n),
            _ => numbers.double(n),
        });
        results = match in_flight { Some(inputs) => results.in_flight(inputs), None => results };
        results = match batch { Some(inputs) => results.batch(inputs), None => results };
        results = if unordered { results.unordered() } else { results };
        let take = take.unwrap_or(usize::MAX);
        let mut found: Vec<Option<u64>> = Vec::new();
        for (place, result) in results.take(take).enumerate() {
            if let Err(error) = &result {
                prop_assert!(matches!(error, CallError::Panicked(..)), "{error}");
                let item = error.trace().item().expect("it says which");
                prop_assert_eq!(plain(inputs[item]), None);
                prop_assert!(unordered || item == place);
            }
            found.push(result.ok());
        }
        let mut expected: Vec<_> = inputs.iter().map(|n| plain(*n)).collect();
        prop_assert_eq!(found.len(), expected.len().min(take));
        if unordered && found.len() == expected.len() {
            found.sort_unstable();
            expected.sort_unstable();
        }
        if !unordered || take >= expected.len() {
            expected.truncate(take);
            prop_assert_eq!(found, expected);
        }
    }
}
