//! A set inside of a function, twice of one name.
#![deny(warnings)]

use nanolith::prelude::*;

fn one() -> i64 {
    struct Local {
        total: Total,
    }

    #[derive(Clone, Copy)]
    struct Total(i64);

    #[define]
    impl Local {
        #[init]
        fn start(total: Total) -> Self {
            Self { total }
        }

        pub fn bump(&mut self, by: i64) -> Total {
            self.total.0 += by;
            self.total
        }
    }

    let local = Local::service(Total(1)).launch().wait().unwrap();
    local.bump(1).wait().unwrap().0
}

fn another() -> i64 {
    struct Local;

    #[define]
    impl Local {
        pub fn add(x: i64, y: i64) -> i64 {
            x + y
        }
    }

    #[define]
    mod local {
        pub fn add(x: i64, y: i64) -> i64 {
            x + y
        }
    }

    Local::tasks().add(1, 2).wait().unwrap() + local::tasks().add(1, 2).wait().unwrap()
}

fn main() {
    assert_eq!((one(), another()), (2, 6));
}
