//! The functions of a set, and whole sets, may come from `macro_rules!`.
#![deny(warnings)]

use nanolith::prelude::*;

macro_rules! set_of {
    ($set:ident { $($name:ident ($($arg:ident : $ty:ty),*) -> $out:ty $body:block)* }) => {
        #[define]
        impl $set {
            $(
                #[doc = concat!("Made for `", stringify!($name), "`.")]
                pub fn $name($($arg: $ty),*) -> $out $body
            )*
        }
    };
}

macro_rules! module_of {
    ($module:ident: $($name:ident by $factor:literal),*) => {
        #[define]
        pub mod $module {
            $(
                pub fn $name(x: i64) -> i64 {
                    x * $factor
                }
            )*
        }
    };
}

pub struct Geometry;

set_of!(Geometry {
    add(x: i64, y: i64) -> i64 { x + y }
    length(values: Vec<Option<u8>>) -> usize { values.len() }
    nothing() -> () {}
});

module_of!(times: double by 2, triple by 3);

/// The functions alone, in a block as written.
macro_rules! difference {
    ($x:expr, $y:expr) => {
        $x - $y
    };
}

pub struct Other;

#[define]
impl Other {
    pub fn sub(x: i64, y: i64) -> i64 {
        difference!(x, y)
    }
}

fn main() {
    assert_eq!(Geometry::tasks().add(4, 5).wait().unwrap(), 9);
    assert_eq!(Geometry::tasks().length(vec![None]).wait().unwrap(), 1);
    Geometry::tasks().nothing().wait().unwrap();
    assert_eq!(times::tasks().double(4).wait().unwrap() + times::tasks().triple(1).wait().unwrap(), 11);
    assert_eq!(Other::tasks().sub(5, 4).wait().unwrap(), 1);
}
