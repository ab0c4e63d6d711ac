//! Tests of `#[define(wire)]`: both enums of a set are serialized and deserialized. They need the
//! feature `wire`.
#![cfg(feature = "wire")]
#![allow(missing_docs, clippy::missing_errors_doc)] // a test's name documents it

use nanolith::prelude::*;

pub struct Geometry;

#[define(wire, identifier = "geometry")]
impl Geometry {
    pub fn add(x: i64, y: i64) -> i64 {
        x + y
    }

    pub fn name(text: String) -> Option<String> {
        Some(text)
    }

    pub fn count() -> u32 {
        2
    }
}

#[test]
fn tasks_and_outputs_survive_serialization() {
    let task = serde_json::to_string(&GeometryTask::Add { x: 1, y: 2 }).expect("it is written");
    assert!(matches!(serde_json::from_str(&task), Ok(GeometryTask::Add { x: 1, y: 2 })), "{task}");
    let output = serde_json::to_string(&GeometryOutput::Name(Some("a".into()))).expect("it is written");
    assert!(matches!(serde_json::from_str(&output), Ok(GeometryOutput::Name(Some(_)))), "{output}");
}

#[test]
fn task_without_arguments_is_a_unit_variant() {
    assert_eq!(serde_json::to_string(&GeometryTask::Count).expect("it is written"), r#""Count""#);
    assert!(matches!(serde_json::from_str(r#""Count""#), Ok(GeometryTask::Count)));
}

// ----- beside messages, which are not serialized

/// A set with its message handler before its tasks.
pub struct Shop;

/// A type without serde's traits.
#[derive(Debug)]
pub struct Plain(u8);

#[define(wire, inbox = Plain)]
impl Shop {
    #[on_message]
    fn hear(message: Plain) {
        assert_eq!(message.0, 1);
    }

    #[on_stream]
    fn take(stream: nanolith::stream::StreamReader) {
        drop(stream);
    }

    pub fn price(of: i64) -> i64 {
        of
    }

    pub fn stock(of: i64) -> i64 {
        of
    }
}

#[test]
fn message_task_does_not_serialize() {
    let error = serde_json::to_string(&ShopTask::Hear { message: Plain(1) }).expect_err("it is skipped");
    assert!(error.to_string().contains("cannot be serialized"), "{error}");
    assert!(serde_json::from_str::<ShopTask>(r#"{"Hear":{"message":null}}"#).is_err());
}

#[test]
fn tasks_have_the_same_number_on_both_ends_of_a_wire() {
    for (number, task) in (0..).zip([ShopTask::Price { of: 1 }, ShopTask::Stock { of: 1 }]) {
        assert_eq!(numbers::written(&task), number);
        let read: ShopTask = numbers::read(number);
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&task));
    }
}

/// A format with numbers for variants, like formats that are not self-describing.
mod numbers {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{
            DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
            value::{Error, MapDeserializer, U32Deserializer},
        },
        ser::{Error as _, Impossible, SerializeStructVariant},
    };

    pub(crate) fn written(task: &impl Serialize) -> u32 {
        task.serialize(Writer).expect("it is written")
    }

    pub(crate) fn read<'de, T: Deserialize<'de>>(number: u32) -> T {
        T::deserialize(Reader(number)).expect("it is read")
    }

    struct Writer;

    struct Written(u32);

    impl SerializeStructVariant for Written {
        type Ok = u32;
        type Error = Error;

        fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, _: &T) -> Result<(), Error> {
            Ok(())
        }

        fn end(self) -> Result<u32, Error> {
            Ok(self.0)
        }
    }

    macro_rules! nothing_but_variants {
        ($($name:ident($($ty:ty),*);)*) => {
            $(fn $name(self, $(_: $ty),*) -> Result<u32, Error> {
                Err(Error::custom("not a task"))
            })*
        };
    }

    impl Serializer for Writer {
        type Ok = u32;
        type Error = Error;
        type SerializeSeq = Impossible<u32, Error>;
        type SerializeTuple = Impossible<u32, Error>;
        type SerializeTupleStruct = Impossible<u32, Error>;
        type SerializeTupleVariant = Impossible<u32, Error>;
        type SerializeMap = Impossible<u32, Error>;
        type SerializeStruct = Impossible<u32, Error>;
        type SerializeStructVariant = Written;

        nothing_but_variants! {
            serialize_bool(bool);
            serialize_i8(i8);
            serialize_i16(i16);
            serialize_i32(i32);
            serialize_i64(i64);
            serialize_u8(u8);
            serialize_u16(u16);
            serialize_u32(u32);
            serialize_u64(u64);
            serialize_f32(f32);
            serialize_f64(f64);
            serialize_char(char);
            serialize_str(&str);
            serialize_bytes(&[u8]);
            serialize_none();
            serialize_unit();
            serialize_unit_struct(&'static str);
            serialize_unit_variant(&'static str, u32, &'static str);
        }

        fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u32, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<u32, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<u32, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Self::SerializeTupleVariant, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, Error> {
            Err(Error::custom("not a task"))
        }

        fn serialize_struct_variant(
            self,
            _: &'static str,
            number: u32,
            _: &'static str,
            _: usize,
        ) -> Result<Written, Error> {
            Ok(Written(number))
        }
    }

    struct Reader(u32);

    impl<'de> Deserializer<'de> for Reader {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_enum(self)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    impl<'de> EnumAccess<'de> for Reader {
        type Error = Error;
        type Variant = Self;

        fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
            let number: U32Deserializer<Error> = self.0.into_deserializer();
            Ok((seed.deserialize(number)?, self))
        }
    }

    /// Each field is 1.
    impl<'de> VariantAccess<'de> for Reader {
        type Error = Error;

        fn unit_variant(self) -> Result<(), Error> {
            Ok(())
        }

        fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
            Err(Error::custom("not a task"))
        }

        fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a task"))
        }

        fn struct_variant<V: Visitor<'de>>(
            self,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            visitor.visit_map(MapDeserializer::new(fields.iter().map(|field| (*field, 1_i64))))
        }
    }
}
