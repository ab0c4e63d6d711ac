//! Private sets, public ones, and private types in their signatures.
#![deny(missing_docs, warnings, private_interfaces, private_bounds)]

use nanolith::prelude::*;

/// It is not visible outside.
struct Private;

#[derive(Clone)]
struct Secret(i64);

#[define]
impl Private {
    pub(crate) fn open(secret: Secret) -> Secret {
        secret
    }

    #[task]
    fn also(x: i64) -> i64 {
        x
    }

    #[task]
    fn not_called() {}
}

/// Public, with a task that only this file may call.
pub struct Public;

#[define]
impl Public {
    /// For all.
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub(self) fn inner(secret: Secret) -> i64 {
        secret.0
    }
}

#[define]
mod private {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub(super) fn sub(x: i64, y: i64) -> i64 {
        x - y
    }
}

mod narrow {
    use nanolith::prelude::*;

    pub(crate) struct Narrow;

    #[define(vis = "pub(crate)")]
    impl Narrow {
        pub(crate) fn add(x: i64, y: i64) -> i64 {
            x + y
        }
    }
}

fn main() {
    assert_eq!(Private::tasks().open(Secret(4)).wait().unwrap().0, 4);
    assert_eq!(Private::tasks().also(4).wait().unwrap(), 4);
    assert_eq!(Public::tasks().add(4, 5).wait().unwrap(), 9);
    assert_eq!(Public::tasks().inner(Secret(4)).wait().unwrap(), 4);
    assert_eq!(private::tasks().add(4, 5).wait().unwrap(), 9);
    assert_eq!(private::tasks().sub(4, 5).wait().unwrap(), -1);
    assert_eq!(narrow::Narrow::tasks().add(4, 5).wait().unwrap(), 9);
}
