use nanolith::{port::{self, Port}, prelude::*};

pub struct Shop;

#[define]
impl Shop {
    pub fn serve(orders: Port<u64, u32>) -> u32 {
        orders.iter().sum()
    }
}

fn main() {
    let (ours, theirs) = port::pair::<u32, u64>();
    let job = Shop::tasks().serve(theirs).submit();
    drop(theirs.try_recv()); // it is the task's now
    ours.close();
    drop(ours.try_send(4)); // a closed port does not come back
    drop(job.wait());
}
