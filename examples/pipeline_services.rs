//! A pipeline of three services of unequal work: one draws pictures, one blurs them, which takes
//! longest, and one packs them.
//!
//! `cargo run --example pipeline_services` sends eight pictures through. Each stage sends its
//! result on as a message, and waits while the next stage's queue is full. So a slow stage slows
//! the stages before it, and memory stays flat. Closing the first stage closes all stages, each
//! after its last picture. No picture is lost, and they come out in order.

use nanolith::prelude::*;
use std::sync::mpsc::{Sender, channel};

/// The number of pictures that may wait for a stage.
const QUEUE: usize = 2;
const SIDE: usize = 128;

/// A picture. It moves from stage to stage and is never copied.
pub struct Picture {
    number: usize,
    pixels: Vec<u8>,
}

/// The first stage.
pub struct Draw {
    next: Service<Blur>,
}

#[define(inbox = usize)]
impl Draw {
    /// Draws squares, smaller ones from picture to picture. This is fast.
    #[on_message]
    fn draw(&self, number: usize) {
        let square = SIDE / (number + 2);
        let pixel = |at: usize| if (at / SIDE / square + at % SIDE / square) % 2 == 0 { 0 } else { 255 };
        let pixels = (0..SIDE * SIDE).map(pixel).collect();
        println!("drawn   {number}");
        assert!(self.next.send(Picture { number, pixels }).wait().is_ok(), "only this stage closes the next one");
    }

    #[on_close]
    fn end(self) {
        self.next.close().wait().expect("it ends without a panic");
    }
}

/// The second stage.
pub struct Blur {
    next: Service<Pack>,
}

#[define(inbox = Picture)]
impl Blur {
    /// Blurs: each pixel is mixed with its neighbours, fifty times over. This is slow.
    #[on_message]
    fn blur(&self, mut picture: Picture) {
        for _ in 0..50 {
            let before = picture.pixels.clone();
            for (pixel, near) in picture.pixels[1..].iter_mut().zip(before.windows(3)) {
                *pixel = near.iter().map(|n| u16::from(*n)).sum::<u16>().div_ceil(3) as u8;
            }
        }
        println!("blurred {}", picture.number);
        assert!(self.next.send(picture).wait().is_ok(), "only this stage closes the next one");
    }

    #[on_close]
    fn end(self) {
        self.next.close().wait().expect("it ends without a panic");
    }
}

/// The last stage.
pub struct Pack {
    done: Sender<usize>,
}

#[define(inbox = Picture)]
impl Pack {
    /// Packs: equal pixels in a row become one run. This is fast.
    #[on_message]
    fn pack(&self, picture: Picture) {
        let runs = picture.pixels.chunk_by(|a, b| a == b).count();
        println!("packed  {}: {runs} runs", picture.number);
        let _ = self.done.send(picture.number); // an error if the receiver is gone
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (done, results) = channel();
    let pack = Pack::service(Pack { done }).name("pack").max_queue(QUEUE).launch().wait()?;
    let blur = Blur::service(Blur { next: pack }).name("blur").max_queue(QUEUE).launch().wait()?;
    let draw = Draw::service(Draw { next: blur }).name("draw").max_queue(QUEUE).launch().wait()?;
    for number in 0..8 {
        draw.send(number).wait()?; // waits for capacity: the loop is as fast as the slowest stage
    }
    draw.close().wait()?;
    println!("came out: {:?}", results.iter().collect::<Vec<_>>());
    Ok(())
}
