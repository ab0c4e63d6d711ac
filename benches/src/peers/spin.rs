//! Waiting by looking, which the limits do.

use std::{hint, thread};

/// Spins until it holds. Now and then the core is offered to others: on a busy machine the other side may not run at all.
pub(crate) fn until(holds: impl FnMut() -> bool) {
    look::<0xfff>(holds);
}

/// The same where threads may outnumber cores, so that the other side waits for this core.
pub(crate) fn until_soon(holds: impl FnMut() -> bool) {
    look::<0xf>(holds);
}

/// Looks, and offers the core after as many looks as the mask's bits count.
fn look<const MASK: u32>(mut holds: impl FnMut() -> bool) {
    let mut looks: u32 = 0;
    while !holds() {
        looks = looks.wrapping_add(1);
        if looks & MASK == 0 {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}
