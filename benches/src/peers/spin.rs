//! Spin loops that yield the core at intervals. The hand-written rings and cache lines wait by
//! them. On one core they yield at each look, since the other side needs that core.

use super::cores;
use std::{hint, sync::LazyLock, thread};

/// Whether this process has one core. A pinned process is pinned before the first wait.
static ONE_CORE: LazyLock<bool> = LazyLock::new(|| cores() == 1);

/// Spins until `holds` returns true. It yields the core at intervals: on a busy machine the other
/// side may not run at all otherwise.
pub(crate) fn until(holds: impl FnMut() -> bool) {
    look::<0xfff>(holds);
}

/// Spins, where threads may outnumber cores. It yields sooner, since the other side may need this
/// core.
pub(crate) fn until_soon(holds: impl FnMut() -> bool) {
    look::<0xf>(holds);
}

/// Checks `holds`, and yields the core after each number of checks that the mask's bits count.
fn look<const MASK: u32>(mut holds: impl FnMut() -> bool) {
    let mut looks: u32 = 0;
    while !holds() {
        looks = looks.wrapping_add(1);
        if looks & MASK == 0 || *ONE_CORE {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}
