//! A round-robin cluster: each call goes to the next of three services, which are cashiers with a
//! till of their own.
//!
//! One cashier ends early. The other cashiers take over the calls that wait for it, and the round
//! continues without it.
//!
//! `cargo run --example round_robin` serves some customers, and prints the cashier of each.

use nanolith::{
    Cluster,
    cluster::{Balance, MemberId},
    prelude::*,
    time::MILLISECOND,
};

/// A cashier, which serves customers and keeps their money.
pub struct Cashier {
    number: u64,
    till: u64,
}

#[define]
impl Cashier {
    #[init]
    fn start(number: u64) -> Self {
        println!("cashier {number} opens");
        Self { number, till: 0 }
    }

    /// Takes the money, and returns the cashier's number.
    pub fn pay(&mut self, euros: u64) -> u64 {
        self.till += euros;
        self.number
    }

    /// Returns a price. The task may run twice, so another cashier answers if the first one ends.
    #[task(idempotent)]
    pub async fn price(&self, item: String) -> (String, u64, u64) {
        nanolith::time::sleep(200 * MILLISECOND).await;
        let euros = item.len() as u64;
        (item, euros, self.number)
    }

    /// Returns the money in the till.
    pub fn till(&self) -> u64 {
        self.till
    }

    #[on_close]
    fn go_home(self) {
        println!("cashier {} closes with {} euros", self.number, self.till);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cashiers = Cluster::builder().name("cashier").balance(Balance::RoundRobin);
    let shop = cashiers.launch_numbered(3, |id: MemberId| Cashier::service(id.number())).wait()?;

    for customer in 1..=6 {
        let cashier = shop.pay(10 * customer).wait()?;
        println!("customer {customer} paid {} euros to cashier {cashier}", 10 * customer);
    }

    let asked = ["tea", "bread", "cheese"].map(|item| shop.price(item.into()).submit());
    let first = shop.control().members()[0];
    if let Some(cashier) = shop.control().use_member(first) {
        println!("cashier {first} has to leave at once");
        cashier.terminate().wait()?;
    }
    for price in asked {
        let (item, euros, cashier) = price.wait()?;
        println!("{item} is {euros} euros, says cashier {cashier}");
    }

    for customer in 7..=8 {
        println!("customer {customer} paid 10 euros to cashier {}", shop.pay(10).wait()?);
    }
    let tills = shop.control().call_all(|cashier| cashier.till()).wait();
    for (cashier, till) in tills {
        println!("till {cashier} has {} euros", till?);
    }
    println!("{} calls went on to another cashier", shop.info().moved);
    shop.close().wait()?;
    Ok(())
}
