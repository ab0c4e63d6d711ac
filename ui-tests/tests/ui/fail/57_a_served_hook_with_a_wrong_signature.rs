use nanolith::prelude::*;
use nanolith_process::ProcessService;

pub struct Counter {
    total: i64,
}

#[define(wire, inbox = i64, outbox = i64)]
impl Counter {
    #[init]
    fn start(total: i64) -> Self {
        Self { total }
    }

    #[on_message]
    fn on_message(&mut self, by: i64) {
        self.total += by;
    }

    #[on_close]
    fn end(&mut self) {}

    pub fn total(&self) -> i64 {
        self.total
    }
}

pub struct Log {
    lines: Vec<String>,
}

#[define(wire)]
impl Log {
    #[init]
    fn open(&self) -> Self {
        Self { lines: Vec::new() }
    }

    pub fn add(&mut self, line: String) -> usize {
        self.lines.push(line);
        self.lines.len()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    nanolith_process::init().serve::<(Counter, Log)>();
    let counter = ProcessService::launch(Counter::service(1)).wait()?;
    counter.send(2).wait()?;
    assert_eq!(counter.control().events().recv().wait()?, 3);
    assert_eq!(counter.total().wait()?, 3);
    let log = ProcessService::launch(Log::service()).wait()?;
    assert_eq!(log.add("a".into()).wait()?, 1);
    Ok(())
}
