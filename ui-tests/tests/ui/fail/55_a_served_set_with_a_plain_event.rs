use nanolith::prelude::*;

pub struct Counter {
    total: i64,
}

#[derive(Clone)]
pub struct Total(pub i64);

#[define(wire, outbox = Total)]
impl Counter {
    #[init]
    fn start() -> Self {
        Self { total: 0 }
    }

    pub fn bump(&mut self, cx: &Context<Self>) {
        self.total += 1;
        let _ = cx.send(Total(self.total)).wait();
    }
}

fn main() {
    nanolith_process::init().serve::<(Counter,)>();
}
