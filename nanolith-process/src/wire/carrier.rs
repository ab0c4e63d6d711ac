//! The carrier of a call's span, which comes before the task in the frame of a call.
//!
//! A bit beside the number of the set says that it is there. It is a length as a `u32`, in
//! little-endian order, and pairs of texts as MessagePack.

use super::{CallHead, codec};
use crate::message_error::MessageError;
use nanolith::trace::Carrier;

/// A bit beside the number of the set: a carrier follows the head.
const CARRIES: u16 = 1 << 15;

/// Appends a carrier to the frame of a call of `set`. Returns the number of the set with the bit. An
/// empty carrier takes no bytes.
pub(crate) fn write(carrier: &Carrier, set: u16, frame: &mut Vec<u8>, max: usize) -> Result<u16, MessageError> {
    if carrier.is_empty() {
        return Ok(set);
    }
    let start = frame.len();
    frame.extend_from_slice(&[0; 4]);
    codec::encode(&carrier.iter().collect::<Vec<_>>(), frame, max)?;
    let len = u32::try_from(frame.len() - start - 4).map_err(|_| MessageError::too_large(max))?;
    frame[start..start + 4].copy_from_slice(&len.to_le_bytes());
    Ok(set | CARRIES)
}

/// Splits what follows the head into the carrier and the task, and clears the bit in the head. Returns
/// `None` if the carrier is malformed.
pub(crate) fn split(head: CallHead, rest: &[u8]) -> Option<(CallHead, Carrier, &[u8])> {
    if head.set & CARRIES == 0 {
        return Some((head, Carrier::new(), rest));
    }
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (pairs, task) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let pairs: Vec<(String, String)> = codec::decode(pairs).ok()?;
    Some((CallHead { set: head.set & !CARRIES, ..head }, pairs.into_iter().collect(), task))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: CallHead = CallHead { set: 3, left: None };

    #[test]
    fn carrier_survives_beside_the_task() {
        let carrier: Carrier = [("traceparent", "00-1-2-01"), ("tracestate", "")].into_iter().collect();
        let mut bytes = Vec::new();
        let set = write(&carrier, HEAD.set, &mut bytes, 1_000).expect("it is small");
        bytes.extend_from_slice(b"task");
        assert_eq!(split(CallHead { set, ..HEAD }, &bytes), Some((HEAD, carrier, &b"task"[..])));
    }

    #[test]
    fn empty_carrier_takes_no_bytes() {
        let mut bytes = Vec::new();
        assert_eq!(write(&Carrier::new(), HEAD.set, &mut bytes, 0).expect("it is empty"), HEAD.set);
        assert_eq!(split(HEAD, b"task"), Some((HEAD, Carrier::new(), &b"task"[..])));
        assert!(bytes.is_empty());
    }

    #[test]
    fn truncated_carrier_is_an_error() {
        let mut bytes = Vec::new();
        let carrier = [("traceparent", "00-1-2-01")].into_iter().collect();
        let set = write(&carrier, HEAD.set, &mut bytes, 1_000).expect("it is small");
        for len in 0..bytes.len() {
            assert_eq!(split(CallHead { set, ..HEAD }, &bytes[..len]), None, "{len} bytes");
        }
        assert!(write(&carrier, HEAD.set, &mut Vec::new(), 10).is_err());
    }
}
