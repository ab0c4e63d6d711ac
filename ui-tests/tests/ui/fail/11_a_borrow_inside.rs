use nanolith::prelude::*;
use std::borrow::Cow;

pub struct Set;

#[define]
impl Set {
    pub fn in_an_option(value: Option<&u8>) -> bool {
        value.is_some()
    }

    pub fn in_a_cow(text: Cow<'_, str>) -> usize {
        text.len()
    }

    pub fn in_a_trait_object(values: Box<dyn Iterator<Item = u8> + '_>) -> usize {
        values.count()
    }
}

fn main() {}
