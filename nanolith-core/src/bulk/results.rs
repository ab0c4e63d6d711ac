//! [`Results`]: the results of a batch, in order. Outputs and errors are stored apart, so that an
//! output is stored without the space of a `Result`.

use crate::error::CallError;
use std::vec;

/// The results that a running batch has collected, in order.
pub(super) struct ResultsBuilder<T> {
    outputs: Vec<T>,
    /// Each error with the number of results before it.
    errors: Vec<(usize, CallError)>,
}

impl<T> ResultsBuilder<T> {
    pub(super) fn for_items(count: usize) -> Self {
        Self { outputs: Vec::with_capacity(count), errors: Vec::new() }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, output: T) {
        self.outputs.push(output);
    }

    #[cold]
    pub(super) fn fail(&mut self, error: CallError) {
        self.errors.push((self.len(), error));
    }

    pub(super) fn len(&self) -> usize {
        self.outputs.len() + self.errors.len()
    }

    /// Returns the results for reading. `first` is the index of the first input.
    pub(super) fn into_results(self, first: usize) -> Results<T> {
        let mut results =
            Results { outputs: self.outputs.into_iter(), errors: self.errors.into_iter(), row: 0, first, given: 0 };
        results.look();
        results
    }
}

/// Results that are read in order.
pub(super) struct Results<T> {
    outputs: vec::IntoIter<T>,
    errors: vec::IntoIter<(usize, CallError)>,
    /// The number of outputs before the next error, or before the end.
    row: usize,
    /// The input index of the first result.
    first: usize,
    /// The number of results that precede the end of the current row of outputs.
    given: usize,
}

impl<T> Results<T> {
    pub(super) fn none() -> Self {
        ResultsBuilder::for_items(0).into_results(0)
    }

    /// Returns the same error for `count` inputs, starting at the input `first`.
    pub(super) fn all(error: &CallError, count: usize, first: usize) -> Self {
        let errors = (0..count).map(|n| (n, error.clone())).collect();
        ResultsBuilder { outputs: Vec::new(), errors }.into_results(first)
    }

    /// Computes the length of the next row of outputs.
    fn look(&mut self) {
        let next_error = self.errors.as_slice().first().map(|(place, _)| *place);
        self.row = next_error.map_or(self.outputs.len(), |place| place - self.given);
        self.given += self.row;
    }

    /// Returns the next output of the current row.
    #[inline(always)]
    pub(super) fn next_output(&mut self) -> Option<T> {
        self.row = self.row.checked_sub(1)?;
        self.outputs.next()
    }

    /// Returns the next result.
    pub(super) fn next(&mut self) -> Option<Result<T, CallError>> {
        if let Some(output) = self.next_output() {
            return Some(Ok(output));
        }
        let (place, error) = self.errors.next()?;
        self.given += 1;
        self.look();
        Some(Err(error.of_item(self.first + place)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outputs.len() == 0 && self.errors.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::{CallTrace, ParentCall},
        meta::task_info::TaskInfo,
    };
    use std::{panic::Location, time::Duration};

    static TASK: TaskInfo = TaskInfo::new("G", "add", "g::add");

    fn lost() -> CallError {
        let caller = ParentCall { task: &TASK, submitted: Location::caller() };
        CallError::Lost(CallTrace::new(caller, Duration::ZERO, Duration::ZERO, Vec::new()))
    }

    #[test]
    fn errors_keep_the_position_of_their_input() {
        for errors in 0..64_u32 {
            let mut filling = ResultsBuilder::for_items(6);
            for n in 0..6 {
                if errors >> n & 1 == 1 { filling.fail(lost()) } else { filling.push(n) }
            }
            let mut results = filling.into_results(100);
            for n in 0..6 {
                match results.next() {
                    Some(Ok(output)) => assert_eq!((output, errors >> n & 1), (n, 0)),
                    Some(Err(error)) => {
                        assert_eq!((error.trace().item(), errors >> n & 1), (Some(100 + n as usize), 1));
                    }
                    None => panic!("{n} is missing"),
                }
            }
            assert!(results.is_empty() && results.next().is_none());
        }
    }

    #[test]
    fn all_results_may_be_errors() {
        let mut results = Results::<()>::all(&lost(), 2, 7);
        let items = std::iter::from_fn(|| results.next()).map(|result| result.unwrap_err().trace().item());
        assert_eq!(items.collect::<Vec<_>>(), [Some(7), Some(8)]);
    }
}
