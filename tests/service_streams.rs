//! Tests of streams to a service: they are queued with its calls, have backpressure, and are never
//! complete by mistake.

#![allow(missing_docs, unreachable_pub, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

use nanolith::{
    prelude::*,
    service::CreateStreamError,
    stream::{Bytes, CreditError, Credits, StreamError, StreamReader, WriteError},
};
use std::{
    error::Error,
    io::Read,
    sync::mpsc::{Receiver, Sender, channel},
};

/// Reads each stream, and stores its text.
#[derive(Default)]
pub struct Shelf {
    books: Vec<(String, Result<String, String>)>,
}

#[define]
impl Shelf {
    #[on_stream]
    fn on_stream(&mut self, mut stream: StreamReader<String>) {
        let mut text = String::new();
        let read = stream.read_to_string(&mut text).map(|_| text).map_err(|error| error.to_string());
        self.books.push((stream.metadata().clone(), read));
    }

    pub fn hold(begun: Sender<()>, go: Receiver<()>) {
        let _ = begun.send(());
        let _ = go.recv();
    }

    pub fn books(&self) -> Vec<(String, Result<String, String>)> {
        self.books.clone()
    }
}

fn hold(shelf: &Service<Shelf>) -> Result<Sender<()>, Box<dyn Error>> {
    let (begun, begins) = channel();
    let (go, goes) = channel();
    shelf.hold(begun, goes).submit().detach();
    begins.recv()?;
    Ok(go)
}

#[test]
fn chunks_written_before_the_handler_starts_are_kept() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::service(Shelf::default()).launch().wait()?;
    let go = hold(&shelf)?;
    let mut writer = shelf.create_stream("early".into()).wait()?;
    for word in ["one ", "two ", "three"] {
        writer.write(word).wait()?;
    }
    writer.finish();
    go.send(())?;
    assert_eq!(shelf.books().wait()?, [("early".into(), Ok("one two three".into()))]);
    Ok(())
}

#[test]
fn streams_and_calls_run_in_the_order_of_arrival() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::service(Shelf::default()).launch().wait()?;
    let go = hold(&shelf)?;
    let before = shelf.books().submit();
    let writers = ["a", "b"].map(|name| shelf.create_stream(name.into()).wait());
    let after = shelf.books().submit();
    for writer in writers {
        writer?.finish();
    }
    go.send(())?;
    assert_eq!(before.wait()?.len(), 0);
    let names: Vec<_> = after.wait()?.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    Ok(())
}

#[test]
fn failed_or_dropped_writer_leaves_no_short_stream() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::service(Shelf::default()).launch().wait()?;
    let mut fails = shelf.create_stream("fails".into()).wait()?;
    fails.write("half").wait()?;
    fails.fail("the disk is full");
    let mut goes = shelf.create_stream("goes".into()).wait()?;
    goes.write("half").wait()?;
    drop(goes);
    let books = shelf.books().wait()?;
    assert!(books.iter().all(|(_, text)| text.is_err()), "{books:?}");
    let said = books.iter().map(|(_, text)| text.as_ref().unwrap_err().as_str());
    assert!(said.zip(["the disk is full", "dropped"]).all(|(said, expected)| said.contains(expected)), "{books:?}");
    Ok(())
}

#[test]
fn writer_waits_for_the_service_at_its_credits() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::service(Shelf::default()).launch().wait()?;
    let go = hold(&shelf)?;
    let mut writer = shelf.create_stream("slow".into()).credits(Credits::new().bytes(10)).wait()?;
    writer.try_write("0123456789")?;
    assert!(writer.try_write("x").is_err_and(|unsent| unsent.is_full()));
    go.send(())?;
    writer.write("x").wait()?;
    writer.finish();
    assert_eq!(shelf.books().wait()?[0].1.as_deref(), Ok("0123456789x"));
    Ok(())
}

#[test]
fn writers_see_the_end_of_their_service() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::service(Shelf::default()).launch().wait()?;
    let go = hold(&shelf)?;
    let mut writer = shelf.create_stream("lost".into()).wait()?;
    let ended = shelf.terminate();
    drop(go);
    ended.wait()?;
    let unsent = writer.write("x").wait().expect_err("the reader is gone");
    assert!(matches!(unsent.error(), WriteError::Dropped), "{unsent:?}");
    Ok(())
}

#[test]
fn writer_sees_a_panic_of_the_reader() -> Result<(), Box<dyn Error>> {
    pub struct Picky;
    #[define]
    impl Picky {
        #[on_stream]
        fn on_stream(&mut self, mut stream: StreamReader) {
            let chunk = stream.read().wait();
            panic!("cannot read {chunk:?}");
        }
        pub fn nothing() {}
    }
    let picky = Picky::service(Picky).launch().wait()?;
    let mut writer = picky.create_stream(()).wait()?;
    writer.write("x").wait()?;
    picky.nothing().wait()?; // the panic was before it
    assert!(writer.write("y").wait().is_err());
    Ok(())
}

#[test]
fn failed_create_stream_gives_the_metadata_back() -> Result<(), Box<dyn Error>> {
    let shelf = Shelf::service(Shelf::default()).launch().wait()?;
    match shelf.create_stream("zero".into()).credits(Credits::new().bytes(0)).wait() {
        Err(CreateStreamError::Credits(CreditError::ZeroBytes, metadata)) => assert_eq!(metadata, "zero"),
        other => panic!("not {other:?}"),
    }
    shelf.close().wait()?;
    match shelf.create_stream("closed".into()).wait() {
        Err(CreateStreamError::Refused(refused)) => assert_eq!(refused.into_inner(), "closed"),
        other => panic!("not {other:?}"),
    }
    Ok(())
}

#[test]
fn async_reader_lets_the_service_continue() -> Result<(), Box<dyn Error>> {
    pub struct Sum;
    #[define]
    impl Sum {
        #[on_stream]
        async fn on_stream(&self, mut stream: StreamReader<Sender<Result<usize, StreamError>>>) {
            let mut sum = 0;
            let read = loop {
                match stream.read().await {
                    Ok(Some(chunk)) => sum += chunk.len(),
                    Ok(None) => break Ok(sum),
                    Err(error) => break Err(error),
                }
            };
            let _ = stream.metadata().send(read);
        }
        pub fn add(x: i64, y: i64) -> i64 {
            x + y
        }
    }
    let service = Sum::service(Sum).launch().wait()?;
    let (reports, sums) = channel();
    let writers: Vec<_> = (0..10).map(|_| service.create_stream(reports.clone()).wait()).collect::<Result<_, _>>()?;
    assert_eq!(service.add(4, 5).wait()?, 9);
    for mut writer in writers {
        writer.write(vec![0; 1_000]).wait()?;
        writer.finish();
    }
    drop(reports);
    service.close().wait()?;
    let sums = sums.iter().take(10).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(sums, [1_000; 10]);
    Ok(())
}

#[test]
fn buffer_keeps_its_address_through_call_message_and_stream() -> Result<(), Box<dyn Error>> {
    pub struct Post(Vec<usize>);
    #[define(inbox = Vec<u8>)]
    impl Post {
        #[on_message]
        fn on_message(&mut self, buffer: Vec<u8>) {
            self.0.push(buffer.as_ptr().addr());
        }
        #[on_stream]
        fn on_stream(&mut self, mut stream: StreamReader) {
            if let Ok(Some(chunk)) = stream.read().wait() {
                self.0.push(chunk.as_ptr().addr());
            }
        }
        pub fn call(&mut self, buffer: Vec<u8>) -> Vec<u8> {
            self.0.push(buffer.as_ptr().addr());
            buffer
        }
        pub fn seen(&self) -> Vec<usize> {
            self.0.clone()
        }
    }
    let post = Post::service(Post(Vec::new())).launch().wait()?;
    let buffer = vec![7; 1 << 20];
    let address = buffer.as_ptr().addr();
    let buffer = post.call(buffer).wait()?;
    assert_eq!(buffer.as_ptr().addr(), address, "there and back");
    let (here, there) = nanolith::port::pair::<Vec<u8>, ()>();
    here.send(buffer).wait()?;
    let buffer = there.recv().wait()?;
    assert_eq!(buffer.as_ptr().addr(), address, "through a port");
    let mut writer = post.create_stream(()).wait()?;
    let bytes = Bytes::from(buffer);
    writer.write(bytes.clone()).wait()?;
    writer.finish();
    assert_eq!(post.seen().wait()?, [address; 2], "through a call and a stream");
    let buffer = bytes.try_into_mut().map(Vec::from).map_err(|_| "it has other owners")?;
    assert_eq!(buffer.as_ptr().addr(), address, "out of the stream");
    post.send(buffer).wait()?;
    assert_eq!(post.seen().wait()?, [address; 3], "through a message");
    Ok(())
}

#[test]
fn offered_stream_goes_to_the_first_receiver_that_takes_it() -> Result<(), Box<dyn Error>> {
    use nanolith::{messenger::Messenger, stream};
    let messenger = Messenger::new();
    let mut subscribers = [0; 4].map(|_| messenger.join().subscribe());
    for round in 0..20 {
        let (mut writer, offer) = stream::offer(round, Credits::new())?;
        assert_eq!(messenger.send(offer).wait()?, 4);
        writer.write("early").wait()?;
        writer.finish();
        let read = std::thread::scope(|scope| {
            let threads = subscribers.each_mut().map(|subscriber| {
                scope.spawn(move || -> Result<Option<(i32, String)>, Box<dyn Error + Send + Sync>> {
                    let Some(mut reader) = subscriber.recv().wait()?.accept() else { return Ok(None) };
                    let mut text = String::new();
                    reader.read_to_string(&mut text)?;
                    Ok(Some((*reader.metadata(), text)))
                })
            });
            threads.map(|thread| thread.join().expect("it ends").expect("it reads"))
        });
        assert_eq!(read.into_iter().flatten().collect::<Vec<_>>(), [(round, "early".to_owned())]);
    }
    let (mut writer, offer) = stream::offer((), Credits::new())?;
    drop(offer);
    assert!(matches!(writer.write("x").wait().expect_err("it was not taken").error(), WriteError::Dropped));
    Ok(())
}
