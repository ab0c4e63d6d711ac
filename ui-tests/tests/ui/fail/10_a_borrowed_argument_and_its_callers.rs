use nanolith::prelude::*;

pub struct Greeter {
    greeting: String,
}

#[define]
impl Greeter {
    #[init]
    fn start(greeting: &str) -> Self {
        Self { greeting: greeting.to_owned() }
    }

    pub fn greet(&self, name: &str) -> String {
        format!("{}, {name}!", self.greeting)
    }

    pub fn sum(values: &[i64]) -> i64 {
        values.iter().sum()
    }

    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    pub fn count(&self, to: impl Into<i64>) -> impl Iterator<Item = i64> {
        0..to.into()
    }

    pub fn root() -> &std::path::Path {
        std::path::Path::new("/")
    }

    pub fn bytes(text: str) -> [u8] {
        text.as_bytes()
    }
}

fn main() {
    let greeter = Greeter::service("Hello".to_owned()).launch().wait().unwrap();
    let text: String = greeter.greet(String::from("you")).wait().unwrap();
    let other: String = greeter.greet("you").wait().unwrap();
    let sum: i64 = Greeter::tasks().sum(vec![1, 2]).wait().unwrap() + Greeter::tasks().sum(&[1, 2]).wait().unwrap();
    let greeting: String = greeter.greeting().wait().unwrap();
    let numbers: Vec<i64> = greeter.count(5).wait().unwrap();
    let bytes: Vec<u8> = Greeter::tasks().bytes(text.clone()).wait().unwrap();
    let root: std::path::PathBuf = Greeter::tasks().root().wait().unwrap();
    drop(root);
    drop((text, other, sum, greeting, numbers, bytes));
}
