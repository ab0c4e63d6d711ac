//! The encoding of tasks, outputs and messages: MessagePack with named fields.

use crate::message_error::MessageError;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

/// The depth of nested values at which decoding ends with an error.
const MAX_DEPTH: usize = 128;

/// Appends `value` to `bytes`. It is an error if they are more than `max` bytes then.
pub(crate) fn encode(value: &impl Serialize, bytes: &mut Vec<u8>, max: usize) -> Result<(), MessageError> {
    let mut serializer = rmp_serde::Serializer::new(&mut *bytes)
        .with_struct_map()
        .with_bytes(rmp_serde::config::BytesMode::ForceIterables);
    value.serialize(&mut serializer).map_err(|error| MessageError::encode(error.to_string()))?;
    if bytes.len() > max { Err(MessageError::too_large(max)) } else { Ok(()) }
}

/// Decodes a value, which takes up all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(MAX_DEPTH);
    let value = T::deserialize(&mut deserializer).map_err(|error| MessageError::decode(error.to_string()))?;
    // Nothing is left if a further value finds no bytes.
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(MessageError::decode("bytes follow the value".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Serialize + DeserializeOwned>(value: &T) -> (T, usize) {
        let mut bytes = Vec::new();
        encode(value, &mut bytes, usize::MAX).expect("it is encoded");
        (decode(&bytes).expect("it is decoded"), bytes.len())
    }

    #[test]
    fn values_survive_encoding() {
        assert_eq!(there_and_back(&(1_u8, "text".to_owned(), Some(2.5_f64), None::<u8>)).0.1, "text");
        assert_eq!(there_and_back(&Err::<i64, _>("no".to_owned())).0, Err("no".to_owned()));
    }

    #[test]
    fn byte_vectors_take_one_byte_each() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let (back, len) = there_and_back(&bytes);
        assert_eq!(back, bytes);
        assert!(len < 1_010, "{len}");
    }

    #[test]
    fn value_above_limit_is_an_error() {
        let error = encode(&vec![0_u64; 100], &mut Vec::new(), 50).expect_err("it is too large");
        assert_eq!(error.to_string(), "a message is larger than the limit of 50 bytes");
    }

    #[test]
    fn truncated_and_trailing_bytes_are_errors() {
        let mut bytes = Vec::new();
        encode(&("a", 1), &mut bytes, 100).expect("it is encoded");
        assert!(decode::<(String, u8)>(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert!(decode::<(String, u8)>(&bytes).is_err());
    }

    #[test]
    fn deep_values_are_errors() {
        #[derive(serde::Deserialize)]
        struct Nested(#[allow(dead_code, reason = "only its depth matters")] Vec<Nested>);
        let bytes = vec![0x91; 100_000]; // an array of one array of one array ..
        assert!(decode::<Nested>(&bytes).is_err());
    }
}
