//! [`Context::messenger`]: a task finds a messenger, which is a typed broadcast channel, that is
//! attached to its call or to the executor that runs it. [`Job::messengers`]: an executor lists
//! those of a call.

use super::{Context, Job, TaskSet};
use crate::{
    channel::messenger::{AttachedMessenger, Find, FindError, Lookup, Messenger},
    wake::extensions::Extensions,
};

impl<S: TaskSet> Context<S> {
    /// Returns a new endpoint, for this task alone, of the attached messenger of this name. A
    /// messenger of the call ([`Call::messenger`](crate::typed::Call::messenger)) comes before a
    /// messenger of the pool or service that runs it.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn add_and_tell(cx: &Context<Self>, x: i64, y: i64) -> Result<(), nanolith::messenger::FindError> {
    ///         let sums = cx.messenger::<i64>("sums")?;
    ///         let _ = sums.try_send(x + y);
    ///         Ok(())
    ///     }
    /// }
    /// let sums = Messenger::<i64>::open("sums")?;
    /// let mut heard = sums.subscribe();
    /// let pool = Pool::builder().messenger(&sums).build()?;
    /// Geometry::on(&pool).add_and_tell(4, 5).wait()??;
    /// assert_eq!(heard.recv().wait()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FindError`] if no messenger has this name, or if it carries another type. In that case the
    /// error names both types.
    pub fn messenger<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Result<Messenger<T>, FindError> {
        self.finder().find(name)
    }

    /// Like [`Context::messenger`], but waits until a messenger of this name is attached to the
    /// service. For a time limit, use [`Wait::wait_timeout`](crate::context::Wait::wait_timeout) or
    /// [`time::timeout`](crate::time::timeout).
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// # pub struct Counter;
    /// # #[define]
    /// impl Counter {
    ///     pub async fn announce(cx: &Context<Self>, total: i64) -> bool {
    ///         let totals = cx.find_messenger::<i64>("totals").await;
    ///         totals.is_ok_and(|totals| totals.try_send(total).is_ok())
    ///     }
    /// }
    /// let counter = Counter::service().launch().wait()?;
    /// let announcing = counter.announce(9).submit();
    /// counter.control().attach(&Messenger::<i64>::open("totals")?)?;
    /// assert!(announcing.wait()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FindError`] if the messenger carries another type, or if messengers cannot be attached to
    /// the executor of the task.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped and created again at any time.
    pub fn find_messenger<T: Clone + Send + Sync + 'static>(&self, name: &str) -> Find<T> {
        self.finder().find_later(name)
    }

    /// Returns the attached messengers, each name once. Those of the call come first.
    ///
    /// ```
    /// use nanolith::{messenger::Messenger, prelude::*};
    /// # pub struct Geometry;
    /// # #[define]
    /// impl Geometry {
    ///     pub fn names(cx: &Context<Self>) -> Vec<String> {
    ///         cx.messengers().iter().map(|one| format!("{}: {}", one.name, one.message_type)).collect()
    ///     }
    /// }
    /// let sums = Messenger::<i64>::open("sums")?;
    /// assert_eq!(Geometry::tasks().names().messenger(&sums).wait()?, ["sums: i64"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn messengers(&self) -> Vec<AttachedMessenger> {
        self.finder().list()
    }

    fn finder(&self) -> Lookup<'_> {
        let call = self.call.as_ref().and_then(|call| call.header.attached());
        Lookup { call: call.map(|attached| &**attached), data: &self.data }
    }
}

impl<S: TaskSet> Job<S> {
    /// Returns the messengers that are attached to the call, for an executor that runs the task where
    /// it could not find them.
    ///
    /// ```
    /// use nanolith::{Executor, TaskSet, call::SubmitError, executor::Job, messenger::Messenger, prelude::*};
    /// # use nanolith_doc_sets::*;
    /// /// Refuses calls with messengers.
    /// struct Remote<E>(E);
    /// impl<S: TaskSet, E: Executor<S>> Executor<S> for Remote<E> {
    ///     fn try_execute(&self, job: Job<S>) -> Result<(), SubmitError<Job<S>>> {
    ///         if job.messengers().is_empty() {
    ///             return self.0.try_execute(job);
    ///         }
    ///         let error = job.rejected("Remote");
    ///         Err(SubmitError::new(job, error))
    ///     }
    /// }
    /// let geometry = Geometry::calls(Remote(Pool::builder().build()?));
    /// assert_eq!(geometry.add(4, 5).wait()?, 9);
    /// let sums = Messenger::<i64>::open("sums")?;
    /// assert!(matches!(geometry.add(4, 5).messenger(&sums).wait(), Err(CallError::Rejected(..))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn messengers(&self) -> Vec<AttachedMessenger> {
        let attached = self.slot().header.attached();
        attached.map_or_else(Vec::new, |call| Lookup { call: Some(&**call), data: &Extensions::default() }.list())
    }
}
