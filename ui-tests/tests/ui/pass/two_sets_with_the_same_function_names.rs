//! Sets in one file do not meet, nor do modules beside them.
#![deny(warnings)]

use nanolith::prelude::*;

pub struct Metric;
pub struct Imperial;

#[define]
impl Metric {
    pub fn length(x: f64) -> f64 {
        x
    }

    pub fn helper_of_all() {}
}

#[define]
impl Imperial {
    pub fn length(x: f64) -> f64 {
        x * 0.3048
    }

    pub fn helper_of_all() {}
}

#[define]
pub mod metric {
    pub fn length(x: f64) -> f64 {
        x
    }
}

#[define]
pub mod imperial {
    pub fn length(x: f64) -> f64 {
        x * 0.3048
    }
}

fn main() {
    assert_eq!(Metric::tasks().length(1.0).wait().unwrap(), metric::tasks().length(1.0).wait().unwrap());
    assert_eq!(Imperial::tasks().length(1.0).wait().unwrap(), imperial::tasks().length(1.0).wait().unwrap());
    Metric::tasks().helper_of_all().wait().unwrap();
    Imperial::tasks().helper_of_all().wait().unwrap();
}
