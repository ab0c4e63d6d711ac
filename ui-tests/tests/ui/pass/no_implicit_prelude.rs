//! Nothing of the prelude is there, and its names are the user's own.
#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types)]
#![deny(warnings)]

extern crate std;

use ::nanolith::{Context, Wait as _, define};

pub struct Result(i64);
pub enum Option {
    Some(i64),
    None(()),
}
pub use Option::{None, Some};
pub struct Ok;
pub struct Err;
pub struct Vec;
pub struct String;
pub struct Box;
pub struct Arc;
pub struct Infallible;
pub struct PhantomData;
pub struct Clone;
pub struct Call;
pub struct Executor;
pub struct TaskSet;
pub struct TaskInfo;
pub struct Pool;
pub trait Send {}
pub trait Sync {}
pub trait Sized {}
pub trait Fn {}
pub trait Default {}
pub trait Future {}
pub trait From {}
pub trait Into {}
pub mod core {}
pub mod alloc {}
pub mod serde {}

pub struct Counter {
    total: i64,
}

#[define(wire)]
impl Counter {
    #[init]
    async fn start(cx: &Context<Self>, first: i64) -> Self {
        let _ = cx.task();
        Self { total: first }
    }

    #[before_task]
    async fn before(&self, _call: &::nanolith::task::CallInfo) {}

    #[after_task]
    fn after(
        _call: &::nanolith::task::CallInfo,
        _outcome: ::nanolith::task::Outcome,
    ) -> ::std::result::Result<(), ::std::fmt::Error> {
        ::std::result::Result::Ok(())
    }

    #[on_close]
    async fn end(self) {}

    #[task(idempotent)]
    pub fn bump(&mut self, by: i64) -> i64 {
        self.total += by;
        self.total
    }

    pub async fn later(&self, text: ::std::string::String) -> ::std::option::Option<usize> {
        ::std::option::Option::Some(text.len())
    }

    #[task(local)]
    pub async fn local() {}
}

pub struct Shapes;

#[define]
impl Shapes {
    pub fn option(some: Option) -> Result {
        match some {
            Some(x) => Result(x),
            None(()) => Result(0),
        }
    }

    pub fn rest(_vec: Vec, _string: String, _box: Box) -> (Ok, Err) {
        (Ok, Err)
    }
}

pub struct Stack<T>(::std::vec::Vec<T>);

#[define(shared)]
impl<T: ::std::marker::Send + ::std::marker::Sync + ::std::clone::Clone> Stack<T> {
    pub fn all(&self) -> ::std::vec::Vec<T> {
        ::std::clone::Clone::clone(&self.0)
    }
}

#[define]
pub mod shapes {
    pub struct Result(i64);
    pub struct Option;
    pub trait Send {}
    pub struct Some(pub i64);

    #[init]
    fn begin() {}

    pub fn result(some: Some) -> Result {
        Result(some.0)
    }

    pub async fn option() -> Option {
        Option
    }
}

fn main() {
    let counter = Counter::service(1).launch().wait().unwrap();
    ::std::assert_eq!(counter.bump(1).wait().unwrap(), 2);
    ::std::assert_eq!(counter.later(::std::string::String::new()).wait().unwrap(), ::std::option::Option::Some(0));
    counter.local().wait().unwrap();
    ::std::assert_eq!(Shapes::tasks().option(Some(1)).wait().unwrap().0, 1);
    let stack = Stack::shared(::std::sync::Arc::new(Stack(::std::vec![1])));
    ::std::assert_eq!(stack.on(&::nanolith::pool::GlobalPool).all().wait().unwrap(), [1]);
    ::std::mem::drop(shapes::tasks().result(shapes::Some(1)).wait().unwrap());
    ::std::mem::drop(shapes::service().launch().wait().unwrap().option().wait().unwrap());
}
