//! The check of an argument's type does not depend on its own result.

use nanolith::{__private::serde, prelude::*};
use std::time::Duration;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(crate = "nanolith::__private::serde")]
pub struct Batch {
    tasks: Vec<StepsTask>,
    pause: Duration,
}

pub struct Steps;

#[define(wire)]
impl Steps {
    pub fn step(by: u32) -> u32 {
        by
    }

    pub fn run(batch: Batch, after: Option<Duration>) -> Vec<StepsOutput> {
        assert_eq!(after, Some(batch.pause));
        let run = |task| match task {
            StepsTask::Step { by } => StepsOutput::Step(Self::step(by)),
            StepsTask::Run { batch, after } => StepsOutput::Run(Self::run(batch, after)),
        };
        batch.tasks.into_iter().map(run).collect()
    }
}

fn main() {
    let pause = Duration::from_millis(1);
    let batch = Batch { tasks: vec![StepsTask::Step { by: 2 }], pause };
    let outputs = Steps::tasks().run(batch, Some(pause)).wait().unwrap();
    assert!(matches!(outputs[..], [StepsOutput::Step(2)]));
}
