use nanolith::{port::Port, prelude::*};
use std::rc::Rc;

pub struct Shop;

#[define]
impl Shop {
    pub fn serve(orders: Port<u64, Rc<str>>) -> usize {
        orders.iter().count()
    }
}

fn main() {}
