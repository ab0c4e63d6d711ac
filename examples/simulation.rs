//! A simulation that finds a race: a lost update between two callers of one service.
//!
//! `cargo run --example simulation` tries seeds until one of them fails, then runs a corrected
//! program on all of them. A simulation runs one thread at a time, in an order that its seed
//! determines, so the seed that failed fails again in the same way.

use nanolith::{
    prelude::*,
    sim,
    time::{HOUR, sleep},
};
use std::panic;

/// A bank account.
pub struct Account {
    balance: i64,
}

#[define]
impl Account {
    /// Returns the balance.
    pub fn balance(&self) -> i64 {
        self.balance
    }

    /// Sets the balance.
    pub fn set(&mut self, balance: i64) {
        self.balance = balance;
    }

    /// Adds to the balance.
    pub fn pay_in(&mut self, amount: i64) {
        self.balance += amount;
    }
}

/// Reads, waits and writes. A payment that another caller makes in between is lost.
fn pay_in_wrongly(account: &Service<Account>, amount: i64) -> Result<(), CallError> {
    let balance = account.balance().wait()?;
    sleep(HOUR).wait(); // simulated time, which takes no real time
    account.set(balance + amount).wait()
}

/// Pays in from two threads and checks the sum.
fn two_payments(pay_in: fn(&Service<Account>, i64) -> Result<(), CallError>) {
    let account = Account::service(Account { balance: 0 }).launch().wait().expect("the service starts");
    let other = account.clone();
    let paying = sim::spawn(move || pay_in(&other, 5));
    pay_in(&account, 7).expect("the service is open");
    paying.wait().expect("the thread ends").expect("the service is open");
    assert_eq!(account.balance().wait().expect("the service is open"), 12, "a payment was lost");
}

fn main() {
    // The panic's text contains the seed: `NANOLITH_SIM_SEED=<seed>` runs it again.
    let found = panic::catch_unwind(|| sim::explore(0..100, || two_payments(pay_in_wrongly)));
    println!("read, wait, write: {}", if found.is_err() { "a seed fails" } else { "no seed fails" });

    sim::explore(0..100, || two_payments(|account, amount| account.pay_in(amount).wait()));
    println!("one call: no seed fails");
}
