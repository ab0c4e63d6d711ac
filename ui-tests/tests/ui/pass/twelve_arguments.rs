//! Twelve arguments, in both forms.
#![deny(warnings)]
#![allow(clippy::too_many_arguments)]

use nanolith::prelude::*;

pub struct Sums;

#[define]
impl Sums {
    pub fn sum(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64, j: i64, k: i64, l: i64) -> i64 {
        a + b + c + d + e + f + g + h + i + j + k + l
    }

    pub async fn later(
        cx: &Context<Self>,
        a: String,
        b: String,
        c: String,
        d: String,
        e: String,
        f: String,
        g: String,
        h: String,
        i: String,
        j: String,
        k: String,
        l: String,
    ) -> String {
        cx.progress(12, 12);
        [a, b, c, d, e, f, g, h, i, j, k, l].concat()
    }
}

#[define]
pub mod sums {
    pub fn sum(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64, i: i64, j: i64, k: i64, l: i64) -> i64 {
        a + b + c + d + e + f + g + h + i + j + k + l
    }
}

fn main() {
    assert_eq!(Sums::tasks().sum(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).wait().unwrap(), 78);
    assert_eq!(sums::tasks().sum(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).wait().unwrap(), 78);
    let text = || "x".to_owned();
    let later = Sums::tasks().later(
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
        text(),
    );
    assert_eq!(later.wait().unwrap().len(), 12);
}
