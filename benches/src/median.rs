//! Computes the median and the percentiles of a series of rounds.

/// Returns the median. If the number of samples is even, it is the upper of the two in the middle.
pub(crate) fn of(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn lowest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn highest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Returns the value that `share` of a thousand values do not exceed.
pub(crate) fn per_mille(sorted: &[u32], share: usize) -> f64 {
    let at = (sorted.len() * share / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |value| f64::from(*value))
}

#[cfg(test)]
mod tests {
    fn same(left: f64, right: f64) {
        assert!((left - right).abs() < f64::EPSILON, "{left} is not {right}");
    }

    #[test]
    fn median_is_the_middle_value_in_any_order() {
        same(super::of(&[3.0, 1.0, 2.0]), 2.0);
        same(super::of(&[4.0, 1.0, 2.0, 3.0]), 3.0);
        same(super::lowest(&[3.0, 1.0]), 1.0);
        same(super::highest(&[3.0, 1.0]), 3.0);
        assert!(super::of(&[]).is_nan());
    }

    #[test]
    fn per_mille_counts_from_the_smallest_value() {
        let sorted: Vec<u32> = (0..1_000).collect();
        same(super::per_mille(&sorted, 500), 500.0);
        same(super::per_mille(&sorted, 990), 990.0);
        same(super::per_mille(&[7], 990), 7.0);
        assert!(super::per_mille(&[], 990).is_nan());
    }
}
