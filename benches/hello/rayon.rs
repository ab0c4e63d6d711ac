//! A hello-world on rayon: one spawned closure. The benchmark case `compile` builds it.

use std::sync::mpsc;

fn main() -> Result<(), mpsc::RecvError> {
    let (send, receive) = mpsc::channel();
    rayon::spawn(move || drop(send.send(4 + 5)));
    println!("{}", receive.recv()?);
    Ok(())
}
