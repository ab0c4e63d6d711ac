//! Where-clauses, const parameters, defaults, and a parameter that only the state uses.
#![deny(missing_docs, warnings)]

use nanolith::prelude::*;
use std::{collections::HashMap, fmt::Debug, hash::Hash, marker::PhantomData};

/// A trait that brings `Send` with it.
pub trait Key: Eq + Hash + Clone + Debug + Send {}
impl Key for String {}

/// A set.
pub struct Store<K, V = u8, const N: usize = 2, Unused = ()>
where
    V: Default,
{
    values: HashMap<K, V>,
    unused: PhantomData<fn() -> Unused>,
}

#[define(name = Store)]
impl<K: Key + 'static, V, const N: usize, Unused: 'static> Store<K, V, N, Unused>
where
    V: Default + Clone + Send + 'static,
    [V; N]: Send,
{
    #[init]
    fn open(cx: &Context<Self>, first: Option<(K, V)>) -> Result<Self, K> {
        let _ = cx.task();
        Ok(Self { values: first.into_iter().collect(), unused: PhantomData })
    }

    /// Of both parameters.
    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        if self.values.len() < N { self.values.insert(key, value) } else { Some(value) }
    }

    /// Of `Self`.
    pub fn room(_same: PhantomData<fn() -> Self>) -> usize {
        N
    }

    /// Of a const parameter.
    pub async fn twice(value: V, key: [K; N]) -> ([V; 2], usize) {
        ([value.clone(), value], key.len())
    }

    /// Of no parameter.
    pub fn length(&self) -> usize {
        self.values.len()
    }
}

/// A parameter that only the state uses, and that is not `Send`.
pub struct Log<W> {
    out: W,
}

#[define]
impl<W: Debug> Log<W>
where
    W: From<u8>,
{
    #[init]
    fn open(first: u8) -> Self {
        Self { out: W::from(first) }
    }

    /// Shows it.
    pub fn show(&self) -> String {
        format!("{:?}", self.out)
    }
}

/// Instances of one type, each a set of its own name.
pub struct Counter<T>(T);

#[define(name = Wide)]
impl Counter<i64> {
    /// Adds.
    pub fn bump(&mut self, by: i64) -> i64 {
        self.0 += by;
        self.0
    }
}

/// Another.
pub struct Narrow<T>(T);

#[define]
impl Narrow<u8> {
    /// Adds.
    pub fn bump(&mut self, by: u8) -> u8 {
        self.0 += by;
        self.0
    }
}

/// A parameter of the name that the executor would have.
pub struct Bag<E>(Vec<E>);

#[define(shared)]
impl<E: Send + Sync + Clone> Bag<E> {
    /// All of it.
    pub fn all(&self) -> Vec<E> {
        self.0.clone()
    }

    /// One.
    pub async fn first(&self) -> Option<E> {
        self.0.first().cloned()
    }
}

fn main() {
    let store = Store::<String>::service(None).launch().wait().unwrap();
    assert_eq!(store.put("a".into(), 1).wait().unwrap(), None);
    assert_eq!(store.length().wait().unwrap(), 1);
    let anywhere = Store::<String, i64, 3, std::rc::Rc<u8>>::tasks();
    assert_eq!(anywhere.twice(1, std::array::from_fn(|_| String::new())).wait().unwrap(), ([1, 1], 3));
    assert_eq!(anywhere.room(PhantomData).wait().unwrap(), 3);
    let log = Log::<std::rc::Rc<u8>>::service(7).launch().wait().unwrap();
    assert_eq!(log.show().wait().unwrap(), "7");
    assert_eq!(Counter::<i64>::service(Counter(1)).launch().wait().unwrap().bump(1).wait().unwrap(), 2);
    assert_eq!(Narrow::<u8>::service(Narrow(1)).launch().wait().unwrap().bump(1).wait().unwrap(), 2);
    let bag = Bag::shared(std::sync::Arc::new(Bag(vec![1, 2])));
    assert_eq!(bag.on(&nanolith::pool::GlobalPool).first().wait().unwrap(), Some(1));
}
