use nanolith::{Wait, port::{self, Port}};

pub struct Letter {
    pub answer_to: Port<Letter, Letter>,
}

fn main() {
    let (ours, _theirs) = port::pair::<Letter, Letter>();
    let sent = ours.send(Letter { answer_to: ours }).wait();
    drop(sent);

    let (ours, _theirs) = port::pair::<Letter, Letter>();
    let sent = ours.try_send(Letter { answer_to: ours });
    drop(sent);
}
