use nanolith::prelude::*;

pub struct Set;

#[define]
impl !Send for Set {}

fn main() {}
