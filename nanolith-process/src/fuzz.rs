//! The entry of the fuzz target, which reads frames and decodes messages.

use crate::wire::{self, CallHead, Failure, Frame, FrameReader, Hello, Ready, Report};

/// The largest frame.
const MAX: usize = 1 << 20;

/// Reads frames from bytes that arrive in pieces, of which the first byte sets the length, and
/// decodes each as each message.
pub fn frames(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let mut reader = FrameReader::new(MAX, false);
    for piece in bytes.chunks(1 + usize::from(*piece)) {
        reader.extend(piece);
        loop {
            match reader.next() {
                Ok(Some(frame)) => decode(&frame),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn decode(frame: &Frame) {
    let _ = wire::decode::<Hello>(frame.body());
    let _ = wire::decode::<Ready>(frame.body());
    let _ = wire::decode::<Failure>(frame.body());
    let _ = Report::from_bytes(frame.body());
    let _ = wire::decode::<Vec<(String, Option<f64>, Vec<u8>)>>(frame.body());
    if let Some((head, task)) = CallHead::split(frame.body()) {
        assert_eq!(frame.body().len(), head.to_bytes().len() + task.len());
    }
}
