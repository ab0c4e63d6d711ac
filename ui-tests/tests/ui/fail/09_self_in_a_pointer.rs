use nanolith::prelude::*;
use std::{pin::Pin, sync::Arc};

pub struct Set;

#[define]
impl Set {
    pub fn in_an_arc(self: Arc<Self>) {}
    pub fn in_a_box(self: Box<Self>) {}
    pub fn pinned(self: Pin<&mut Self>) {}
}

fn main() {}
