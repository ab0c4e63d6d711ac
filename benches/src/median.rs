//! The few figures of a series of rounds.

/// The middle one; of an even number, the upper of the two.
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert!((super::of(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((super::lowest(&[3.0, 1.0]) - 1.0).abs() < f64::EPSILON);
        assert!((super::highest(&[3.0, 1.0]) - 3.0).abs() < f64::EPSILON);
    }
}
