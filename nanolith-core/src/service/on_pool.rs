//! [`ServiceBuilder::on`]: a service that runs on the threads of a pool, one thread at a time.
#![allow(unsafe_code)] // unsafe code is allowed here: see ARCHITECTURE.md

use super::{
    ServiceBuilder,
    init::Initializer,
    launch_future::{LaunchAttempt, Launched},
    service_shared::{Home, ServiceShared},
    service_thread::{self, prepare},
    settings::Settings,
};
use crate::{
    call::backend::Backend,
    context::thread_context,
    pool::{Abandoned, BuildError, HostedFuture, Pool},
    task::TaskSet,
    trace::ServiceSpan,
    wake::keep_alive::KeepAlive,
};
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

/// A state that a service on a pool may own. Every type that is `Send` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `Send`, so a service that owns it cannot run on a pool",
    label = "a pool's threads take turns with this service",
    note = "leave out `.on(..)`: the service then has a thread of its own, where its state stays"
)]
pub trait PoolState {}

#[diagnostic::do_not_recommend]
impl<S: Send> PoolState for S {}

impl<S: TaskSet, E: Send + 'static, A: 'static> ServiceBuilder<S, E, A> {
    /// Makes the service run on the threads of `pool`, instead of a thread of its own. One thread at a
    /// time runs the service, so its calls run one after the other, in order.
    ///
    /// Such a service costs memory and no thread, so a program may have a million of them. After 64
    /// calls it lets the pool run other work, and an urgent call makes its service urgent. A task that
    /// blocks in a wait of this crate lends its slot to the pool's other tasks; its service runs no
    /// other call meanwhile. Take a thread of its own for a state that is not `Send`, and for tasks that
    /// block by other means.
    ///
    /// The service keeps the pool open. A pause of the pool does not pause it. If the program closes
    /// the pool, the calls that the service has accepted finish. The service ends when it is woken
    /// after the end of the pool; its calls end as
    /// [`CallError::Closed`](crate::error::CallError::Closed) then.
    ///
    /// ```
    /// use nanolith::prelude::*;
    /// # use nanolith_doc_sets::*;
    /// let pool = Pool::builder().build()?;
    /// let launches: Vec<_> = (0..1_000).map(|first| Counter::service(first).on(&pool).launch()).collect();
    /// let counters: Result<Vec<_>, _> = launches.into_iter().map(|launch| launch.wait()).collect();
    /// assert_eq!(counters?[999].bump(1).wait()?, 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It does not compile if the state is not `Send`, or if the future of an asynchronous task, of a
    /// hook or of `#[init]` is not. A launch with a setting of a thread (`stack_size`,
    /// `spin_before_park`, `on_thread_start`, `on_thread_exit`, `tokio`) yields
    /// [`LaunchError::Build`](super::LaunchError::Build).
    pub fn on(mut self, pool: &Pool) -> Self
    where
        S: PoolState,
    {
        const {
            if let Some(reason) = S::STAYS_ON_THREAD {
                panic!("{}", reason);
            }
        }
        self.settings.pool = Some(pool.clone());
        self
    }
}

/// Starts a service on `pool`, which sends the result of the start to `tell`.
pub(super) fn spawn<S: TaskSet, E: Send + 'static, A: 'static>(
    pool: Pool,
    mut settings: Settings,
    init: Box<dyn Initializer<S, E, A>>,
    tell: flume::Sender<Launched<S, E>>,
    attempt: Arc<LaunchAttempt>,
) -> Result<(), BuildError> {
    if let Some(setting) = settings.first_of_thread() {
        return Err(BuildError::bad(setting, "is a setting of a service's own thread, and this service is on a pool"));
    }
    prepare(&mut settings)?;
    let place = HostedFuture::new(&pool);
    let inner = ServiceShared::<S>::new(&settings, Home::Pool(place.clone()));
    let alive = settings.keep_alive.then(KeepAlive::new);
    let span = ServiceSpan::open(S::NAME, &settings.name);
    let (strong, owner): (Arc<dyn Backend>, Arc<dyn Abandoned>) = (inner.clone(), inner.clone());
    let (id, host) = (inner.id(), Arc::downgrade(&strong));
    let service = async move {
        let _alive = (alive, pool);
        let launched = move |launched| {
            // If the launch was dropped, so is the handle in `launched`, which closes the service.
            let _ = tell.send(launched);
        };
        service_thread::run(inner, settings, init, &attempt, launched).await;
    };
    // SAFETY: `ServiceBuilder::on` has checked that the state and the futures of the set are `Send`.
    // The rest of the service's loop is made of this crate's types, whose `Rc`s are all within the
    // loop: no other value has a clone of them. So the loop moves between threads as a whole.
    let service = unsafe { AsSend::new(service) };
    place.start(Arc::downgrade(&owner), Box::pin(InService { service, id, host, span }));
    Ok(())
}

/// A future that moves between threads as a whole.
struct AsSend<F>(F);

// SAFETY: see `AsSend::new`.
unsafe impl<F> Send for AsSend<F> {}

impl<F> AsSend<F> {
    /// # Safety
    ///
    /// What `future` holds and is not `Send` must be reachable through `future` alone, and must not
    /// depend on the thread that uses it.
    unsafe fn new(future: F) -> Self {
        Self(future)
    }
}

/// The loop of a service, polled as the executor of its thread.
struct InService<F> {
    service: AsSend<F>,
    id: crate::call::backend::ExecutorId,
    host: Weak<dyn Backend>,
    span: ServiceSpan,
}

impl<F: Future<Output = ()>> Future for InService<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of `this`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `service` is never moved out of `self`, which is pinned.
        let service = unsafe { Pin::new_unchecked(&mut this.service.0) };
        let _here = thread_context::enter_executor(this.id, this.host.clone(), false);
        this.span.run(|| service.poll(cx))
    }
}
