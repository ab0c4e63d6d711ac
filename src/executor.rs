//! What runs calls: the trait [`Executor`], the settings that executors share, and the jobs that an
//! executor of your own receives.
//!
//! ```
//! use nanolith::{executor::OnFull, prelude::*};
//! # use nanolith_doc_sets::*;
//! let pool = Pool::builder().max_queue(8).on_full(OnFull::Reject).build()?;
//! assert_eq!(Geometry::on(&pool).add(4, 5).wait()?, 9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use nanolith_core::{
    call::{NotifyProgress, QueueOrder, QueuedCall, StopReason, WaitHelper},
    executor::{Admission, Executor, OnFull, OwnsState, RunsLocal, SharesState},
    pool::MaxQueue,
    task::{Job, JobEndedError, StopSignal},
};

#[cfg(feature = "job-queue")]
pub use nanolith_core::job_queue::{Drained, JobQueue, JobQueueBuilder, JobQueueInfo, QueuedJob, RunGuard, StartedJob};
