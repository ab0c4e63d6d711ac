//! Tests of messages to a service: one queue with its calls, bounds, and unhandled messages at the
//! end.

#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    call::SubmitError,
    prelude::*,
    service::{OnPanic, Restart},
    task::HasInbox,
    time::MILLISECOND,
};
use std::{
    error::Error,
    sync::mpsc::{Receiver, Sender, channel},
};

/// Records the messages that it receives.
#[derive(Default)]
pub struct Log {
    heard: Vec<String>,
}

/// A message that is not `Clone`, with a part that can only be moved.
pub enum Command {
    Say(Box<str>),
    Hold(Sender<()>, Receiver<()>),
    Fail,
}

#[define(inbox = Command)]
impl Log {
    #[on_message]
    fn on_message(&mut self, cx: &Context<Self>, command: Command) {
        assert_eq!(cx.task().map(nanolith::task::TaskInfo::name), Some("on_message"));
        match command {
            Command::Say(words) => self.heard.push(words.into()),
            Command::Hold(begun, go) => {
                let _ = begun.send(());
                let _ = go.recv();
            }
            Command::Fail => panic!("it cannot hear this"),
        }
    }

    pub fn call(&mut self, words: String) {
        self.heard.push(words);
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }
}

fn say(words: &str) -> Command {
    Command::Say(words.into())
}

/// Holds the service until the returned sender has sent, or is dropped.
fn hold(log: &Service<Log>) -> Result<Sender<()>, Box<dyn Error>> {
    let (begun, begins) = channel();
    let (go, goes) = channel();
    log.send(Command::Hold(begun, goes)).wait()?;
    begins.recv()?;
    Ok(go)
}

fn words(refused: SubmitError<Command>) -> Option<Box<str>> {
    match refused.into_inner() {
        Command::Say(words) => Some(words),
        _ => None,
    }
}

#[test]
fn messages_and_calls_run_in_the_order_of_arrival() -> Result<(), Box<dyn Error>> {
    let log = Log::service(Log::default()).launch().wait()?;
    let go = hold(&log)?;
    let mut expected = Vec::new();
    for n in 0..100 {
        let words = n.to_string();
        expected.push(words.clone());
        match n % 3 {
            0 => log.send(say(&words)).wait()?,
            1 => log.try_send(say(&words))?,
            _ => log.call(words).submit().detach(),
        }
    }
    go.send(())?;
    assert_eq!(log.heard().wait()?, expected);
    Ok(())
}

#[test]
fn order_holds_among_ten_thousand_messages() -> Result<(), Box<dyn Error>> {
    let log = Log::service(Log::default()).launch().wait()?;
    for n in 0..10_000 {
        if n % 7 == 0 {
            log.call(n.to_string()).submit().detach();
        } else {
            log.send(say(&n.to_string())).wait()?;
        }
    }
    let expected: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
    assert_eq!(log.heard().wait()?, expected);
    Ok(())
}

#[test]
fn message_is_sent_when_it_is_awaited() -> Result<(), Box<dyn Error>> {
    let log = Log::service(Log::default()).launch().wait()?;
    drop(log.send(say("never")));
    pollster::block_on(log.send(say("sent")))?;
    assert_eq!(log.heard().wait()?, ["sent"]);
    Ok(())
}

#[test]
fn try_send_to_a_full_queue_gives_the_message_back() -> Result<(), Box<dyn Error>> {
    let log = Log::service(Log::default()).max_queue(1).launch().wait()?;
    let go = hold(&log)?;
    log.try_send(say("first"))?;
    let refused = log.try_send(say("second")).expect_err("the line is full");
    assert!(refused.is_full());
    assert_eq!(words(refused).as_deref(), Some("second"));
    go.send(())?;
    assert_eq!(log.heard().wait()?, ["first"]);
    Ok(())
}

#[test]
fn send_to_a_full_queue_waits_for_room() -> Result<(), Box<dyn Error>> {
    let log = Log::service(Log::default()).max_queue(1).launch().wait()?;
    let go = hold(&log)?;
    log.try_send(say("0"))?;
    std::thread::scope(|scope| {
        scope.spawn(|| (1..50).for_each(|n| log.send(say(&n.to_string())).wait().expect("there will be room")));
        scope.spawn(move || go.send(()));
    });
    let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(log.heard().wait()?, expected);
    Ok(())
}

#[test]
fn waiting_send_gives_its_message_back_at_the_end() -> Result<(), Box<dyn Error>> {
    let log = Log::service(Log::default()).max_queue(1).launch().wait()?;
    let go = hold(&log)?;
    log.try_send(say("queued"))?;
    let mut waits = Box::pin(log.send(say("waits")));
    assert!(futures_util::FutureExt::now_or_never(&mut waits).is_none());
    let ended = log.terminate();
    let refused = pollster::block_on(waits).expect_err("it never had room");
    assert!(matches!(refused.error(), CallError::Closed(_)));
    assert_eq!(words(refused).as_deref(), Some("waits"));
    drop(go);
    ended.wait()?;
    Ok(())
}

#[test]
fn close_delivers_accepted_messages_and_returns_later_ones() -> Result<(), Box<dyn Error>> {
    pub struct Reporter(Sender<i64>);
    #[define]
    impl Reporter {
        #[on_message]
        async fn hear(&self, n: i64) {
            nanolith::time::sleep(MILLISECOND).await;
            let _ = self.0.send(n);
        }
        pub fn nothing() {}
    }
    let (reports, heard) = channel();
    let service = Reporter::service(Reporter(reports)).launch().wait()?;
    for n in 0..10 {
        service.send(n).wait()?;
    }
    service.close().wait()?;
    let mut heard: Vec<_> = heard.iter().collect();
    heard.sort_unstable();
    assert_eq!(heard, Vec::from_iter(0..10));
    assert_eq!(service.send(10).wait().map_err(SubmitError::into_inner), Err(10));
    Ok(())
}

#[test]
fn panic_in_on_message_reaches_the_panic_handler() -> Result<(), Box<dyn Error>> {
    let (tell, reports) = channel();
    let log = Log::service(Log::default()).on_panic(move |error| {
        let _ = tell.send(error.to_string());
        OnPanic::Continue
    });
    let log = log.launch().wait()?;
    log.send(Command::Fail).wait()?;
    log.send(say("after")).wait()?;
    assert_eq!(log.heard().wait()?, ["after"]);
    assert!(reports.recv()?.starts_with("`Log::on_message` panicked"));
    Ok(())
}

#[test]
fn messages_survive_a_restart() -> Result<(), Box<dyn Error>> {
    pub struct Sum(i64);
    #[define]
    impl Sum {
        #[init]
        fn start() -> Self {
            Self(0)
        }
        #[on_message]
        fn add(&mut self, n: i64) {
            self.0 += n;
            assert_ne!(n, 13, "the unlucky one");
        }
        pub fn sum(&self) -> i64 {
            self.0
        }
    }
    let sum = Sum::service().restart(Restart::on_panic()).launch().wait()?;
    for n in 0..20 {
        sum.send(n).wait()?;
    }
    assert_eq!(sum.sum().wait()?, (14..20).sum());
    Ok(())
}

#[test]
fn module_and_generic_set_receive_messages() -> Result<(), Box<dyn Error>> {
    #[define]
    mod mail {
        use std::sync::mpsc::Sender;
        #[on_message]
        fn hear(message: (Sender<i64>, i64)) {
            let _ = message.0.send(message.1);
        }
        pub fn nothing() {}
    }
    pub struct Stack<T>(Vec<T>);
    #[define]
    impl<T: Clone + Send> Stack<T> {
        #[on_message]
        fn push(&mut self, item: T) {
            self.0.push(item);
        }
        pub fn items(&self) -> Vec<T> {
            self.0.clone()
        }
    }
    let (tell, reports) = channel();
    mail::service().launch().wait()?.send((tell, 4)).wait()?;
    assert_eq!(reports.recv()?, 4);

    let stack = Stack::service(Stack(vec!["a"])).launch().wait()?;
    stack.send("b").wait()?;
    assert_eq!(stack.items().wait()?, ["a", "b"]);
    Ok(())
}

#[test]
fn generic_code_takes_sets_with_an_inbox() -> Result<(), Box<dyn Error>> {
    fn send_all<S: HasInbox>(service: &Service<S>, messages: impl IntoIterator<Item = S::Message>) -> usize {
        messages.into_iter().filter_map(|message| service.send(message).wait().ok()).count()
    }
    let log = Log::service(Log::default()).launch().wait()?;
    assert_eq!(send_all(&log, ["a", "b"].map(say)), 2);
    assert_eq!(log.heard().wait()?, ["a", "b"]);
    Ok(())
}

#[test]
fn port_in_a_message_keeps_its_messages() -> Result<(), Box<dyn Error>> {
    use nanolith::port::{self, Port};
    pub struct Doubler;
    #[define(inbox = Port<i64, i64>)]
    impl Doubler {
        #[on_message]
        async fn serve(&self, port: Port<i64, i64>) {
            while let Ok(n) = port.recv().await {
                if port.send(2 * n).await.is_err() {
                    return;
                }
            }
        }
        pub fn nothing() {}
    }
    let doubler = Doubler::service(Doubler).launch().wait()?;
    let (ours, theirs) = port::pair();
    ours.send(1).wait()?; // the message moves with the port
    doubler.send(theirs).wait()?;
    ours.send(2).wait()?;
    assert_eq!([ours.recv().wait()?, ours.recv().wait()?], [2, 4]);
    drop(ours);
    doubler.close().wait()?; // the task sees its port closed, and ends
    Ok(())
}
