//! A tour of calls: priorities, delays, schedules, bulk work, groups, a pipeline, layers and shares
//! (weighted parts of a pool), in one program.
//!
//! `cargo run --example calls_tour` prints what each step returns. Each step also has an example of
//! its own in the documentation of the module that it uses.

use nanolith::{
    TaskGroup, bulk,
    call::with_priority,
    layers::{self, Retry},
    pipeline::Pipeline,
    pool::Concurrency,
    prelude::*,
    schedule,
    task::Step,
    time::{MILLISECOND, SECOND},
};

/// The tasks of a mail-order shop.
pub struct Shop;

#[define]
impl Shop {
    /// Returns an item's price. May run twice, so layers may retry it.
    #[task(idempotent)]
    pub fn price(item: u32) -> f64 {
        f64::from(item).sqrt()
    }

    /// Packs an item. At most two of these calls run at once; the others wait and use no thread.
    #[task(concurrency = 2)]
    pub fn pack(item: u32) -> String {
        format!("parcel {item}")
    }

    /// Counts up to `end` in steps: after 5 ms, or for a more urgent call, the task yields to other
    /// calls.
    #[task(sliced)]
    pub fn count(cx: &Context<Self>, end: u64) -> Step<u64> {
        count_from(cx.clone(), 0, end)
    }
}

fn count_from(cx: Context<Shop>, mut n: u64, end: u64) -> Step<u64> {
    while n < end {
        n += 1;
        if cx.should_yield() {
            return Step::resume_with(move || count_from(cx, n, end));
        }
    }
    Step::Done(n)
}

fn main() -> Result<(), nanolith::BoxError> {
    let pool = Pool::builder().min_concurrency(Concurrency::Exact(1)).concurrency(Concurrency::X2).build()?;
    let shop = Shop::on(&pool);

    // Five priorities. The calls of a task inherit its priority; a wait raises the call that it
    // waits for.
    let count = with_priority(Priority::Low, || shop.count(1_000_000).submit());
    let parcel = shop.pack(7).priority(Priority::Idle).submit();
    parcel.raise(Priority::UserBlocking);
    println!("counted to {}, packed {}", count.wait()?, parcel.wait()?);

    // A delayed call with a limit on its running time, and a call that repeats.
    let later = shop.price(9).after(MILLISECOND).run_timeout(SECOND).submit();
    let beats = schedule::every(MILLISECOND, Shop::on(&pool), |shop| shop.price(4)).times(3).start()?;
    println!("delayed: {}", later.wait()?);
    beats.closed().wait();

    // Bulk: one task over the inputs of an iterator, or one function over a `Vec`. Small tasks run
    // in batches.
    let prices = bulk::each(&shop, 0..10_000, |shop, item| shop.price(item)).collect::<Result<Vec<_>, _>>()?;
    let roots = bulk::map(&pool, (0..10_000).map(f64::from).collect(), f64::sqrt).wait()?;
    println!("in bulk: {} prices, the same: {}", prices.len(), prices == roots);

    // A group cancels its unfinished calls when it is dropped.
    let mut group = TaskGroup::new();
    for item in 0..10 {
        group.spawn(shop.pack(item));
    }
    let mut packed = 0;
    while let Some(parcel) = group.join_next().wait() {
        parcel?;
        packed += 1;
    }
    println!("in a group: {packed} parcels");

    // A pipeline: stages with their own concurrency, and bounded queues between them.
    let parcels = Pipeline::from_iter(0..100)
        .map(&pool, |item: u32| item * 2)
        .stage(Shop::on(&pool), |shop, item| shop.pack(item))
        .concurrency(2)
        .buffer(16)
        .collect()
        .wait()?;
    println!("through a pipeline: {} parcels", parcels.items.len());

    // Layers around any executor. The methods stay typed; the first layer is the outermost.
    let steady = layers::stack().timeout(SECOND).retry(Retry::new(3)).wrap(pool.clone());
    println!("through layers: {}", Shop::on(&steady).price(16).wait()?);

    // Shares of one pool: running time is divided three to one while both have calls waiting.
    let (gold, free) = (pool.share("gold").weight(3).build()?, pool.share("free").max_concurrency(2).build()?);
    println!("by shares: {} and {}", Shop::on(&gold).price(4).wait()?, Shop::on(&free).price(4).wait()?);
    Ok(())
}
