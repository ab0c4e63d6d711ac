//! Property tests of [`FrameReader`]: against frames that are known, and against a model that reads
//! all bytes at once.

use super::{FrameReader, HEAD, finish_frame, start_frame};
use proptest::{collection::vec, prelude::*};

/// The largest frame. It is above the length from which a frame is moved instead of copied.
const MAX: usize = 200_000;

type Known = (u8, u64, Vec<u8>);

/// Reads frames from bytes that arrive in pieces of these lengths, again and again. Returns the
/// frames, and whether an error ended them.
fn read(bytes: &[u8], pieces: &[usize]) -> (Vec<Known>, bool) {
    let (mut reader, mut frames, mut rest) = (FrameReader::new(MAX, false), Vec::new(), bytes);
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at((*piece).min(rest.len()));
        rest = later;
        reader.extend(piece);
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push((frame.kind, frame.id, frame.body().to_vec())),
                Ok(None) => break,
                Err(_) => {
                    assert!(reader.next().is_err(), "an error stays");
                    return (frames, true);
                }
            }
        }
    }
    (frames, false)
}

/// The model: reads all frames of bytes that are all there.
fn read_at_once(mut bytes: &[u8]) -> (Vec<Known>, bool) {
    let mut frames = Vec::new();
    while let Some(len) = bytes.first_chunk() {
        let len = 4 + u32::from_le_bytes(*len) as usize;
        if !(HEAD..=MAX).contains(&len) {
            return (frames, true);
        }
        let Some((frame, rest)) = bytes.split_at_checked(len) else { break };
        let id = frame[5..HEAD].try_into().map(u64::from_le_bytes).expect("it is eight bytes");
        frames.push((frame[4], id, frame[HEAD..].to_vec()));
        bytes = rest;
    }
    (frames, false)
}

fn write(frames: &[Known]) -> Vec<u8> {
    let write = |(kind, id, body): &Known| {
        let mut frame = start_frame();
        frame.extend_from_slice(body);
        finish_frame(&mut frame, *kind, *id);
        frame
    };
    frames.iter().flat_map(write).collect()
}

fn known() -> impl Strategy<Value = Known> {
    let len = prop_oneof![0..40_usize, 0..20_000_usize, 60_000..150_000_usize];
    (any::<u8>(), any::<u64>(), len, any::<u8>()).prop_map(|(kind, id, len, byte)| (kind, id, vec![byte; len]))
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..40_usize, 1..100_000_usize], 1..10)
}

/// Bytes with lengths that are mostly right, and sometimes not.
fn nearly_frames() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![9..60_u32, 0..12_u32, any::<u32>()];
    let piece = (len, vec(any::<u8>(), 0..80));
    vec(piece, 0..20).prop_map(|pieces| {
        let write = |(len, mut bytes): (u32, Vec<u8>)| {
            if (9..60).contains(&len) {
                bytes.resize(len as usize, 0);
            }
            [&len.to_le_bytes()[..], &bytes].concat()
        };
        pieces.into_iter().flat_map(write).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_split_gives_the_same_frames(frames in vec(known(), 0..8), pieces in pieces()) {
        prop_assert_eq!(read(&write(&frames), &pieces), (frames, false));
    }

    #[test]
    fn any_bytes_give_frames_or_an_error(bytes in nearly_frames(), pieces in pieces()) {
        prop_assert_eq!(read(&bytes, &pieces), read_at_once(&bytes));
    }
}
