//! Tests of streams of bytes with credit-based flow control: the output matches the input, each end
//! is distinguishable, and the bytes in flight never exceed the credits.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc)] // a test's name documents it

// The traits for asynchronous reading have methods with the names of the standard ones, so they are
// named in full.
use futures_util::{FutureExt, Sink, Stream, StreamExt, TryStreamExt, future, io as aio};
use nanolith::{
    TaskError,
    pool::Concurrency,
    prelude::*,
    stream::{
        self, Bytes, CreditError, Credits, FromCallError, ItemReceiver, ItemSender, SendError, StreamError,
        StreamReader, StreamWriter, WriteError,
    },
    time::{MILLISECOND, MINUTE},
};
use std::{
    collections::VecDeque,
    error::Error,
    io::{self, BufRead, ErrorKind, Read, Write},
    panic,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{self, Waker},
    thread,
    time::{Duration, Instant},
};

type Tested = Result<(), Box<dyn Error>>;

/// A limit for an event that must happen, on a machine that is busy.
const LONG: Duration = Duration::from_secs(20);

pub struct Geometry;

#[define]
impl Geometry {
    /// Sends the numbers below `to`, one by one.
    pub fn numbers(to: i64, mut sender: ItemSender<i64>) -> Result<(), WriteError> {
        for n in 0..to {
            sender.send(n).wait()?;
        }
        sender.finish();
        Ok(())
    }

    pub async fn numbers_async(to: i64, mut sender: ItemSender<i64>) -> Result<(), WriteError> {
        for n in 0..to {
            sender.send(n).await?;
        }
        sender.finish();
        Ok(())
    }

    /// Sends `to` numbers, and panics.
    pub fn numbers_then_panic(to: i64, mut sender: ItemSender<i64>) {
        for n in 0..to {
            sender.send(n).wait().expect("it listens");
        }
        panic!("out of numbers");
    }

    /// Sends one number, and panics long after its sender is dropped.
    pub fn one_then_panic(mut sender: ItemSender<i64>, gate: mpsc::Receiver<()>) {
        sender.send(1).wait().expect("it listens");
        drop(sender);
        let _ = gate.recv();
        panic!("out of numbers");
    }

    /// Polls once.
    pub fn glance(mut points: ItemReceiver<i64>) -> ItemReceiver<i64> {
        assert!(points.next().now_or_never().is_none(), "nothing has come");
        points
    }

    pub fn wait_at(gate: mpsc::Receiver<()>) {
        let _ = gate.recv();
    }

    /// Polls once.
    pub fn glance_at_call(mut call: Handle<Geometry, ()>) -> Handle<Geometry, ()> {
        assert!((&mut call).now_or_never().is_none(), "it waits");
        call
    }

    pub fn wait_on_pollster(call: Handle<Geometry, ()>) -> Result<(), CallError> {
        pollster::block_on(call)
    }

    pub fn sum(mut points: ItemReceiver<i64>) -> Result<i64, StreamError> {
        points.iter().sum()
    }

    /// Does the same as [`Self::sum`], with a foreign `block_on`.
    pub fn sum_on_pollster(points: ItemReceiver<i64>) -> Result<i64, StreamError> {
        pollster::block_on(points.try_fold(0, |sum, n| async move { Ok(sum + n) }))
    }

    pub fn length(mut text: StreamReader<&'static str>) -> io::Result<(&'static str, u64)> {
        let length = io::copy(&mut text, &mut io::sink())?;
        Ok((text.metadata(), length))
    }
}

fn pipe(credits: Credits) -> (StreamWriter, StreamReader) {
    stream::pipe((), credits).expect("sound")
}

/// A pool with one slot.
fn narrow() -> Pool {
    Pool::builder().concurrency(Concurrency::Exact(1)).build().expect("sound")
}

// ----- chunks

#[test]
fn buffer_of_a_mebibyte_keeps_its_address() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    let chunk = Bytes::from(vec![7; 1 << 20]);
    let address = chunk.as_ptr() as usize;
    let writes = thread::spawn(move || writer.write(chunk).wait().map(|()| writer.finish()));
    let chunk = reader.read().wait()?.expect("a chunk");
    assert_eq!((chunk.as_ptr() as usize, chunk.len()), (address, 1 << 20));
    assert!(chunk.is_unique(), "it has no other owner");
    writes.join().expect("no panic")?;
    Ok(())
}

#[test]
fn both_ends_have_the_metadata_of_the_stream() -> Tested {
    let (mut writer, reader) = stream::pipe("drawing.svg", Credits::new())?;
    assert_eq!(*writer.metadata(), "drawing.svg");
    let length = Geometry::tasks().length(reader).submit();
    writer.write("<svg/>").wait()?;
    writer.finish();
    assert_eq!(length.wait()??, ("drawing.svg", 6));
    Ok(())
}

#[test]
fn chunks_written_before_the_first_read_are_kept() -> Tested {
    let (mut writer, reader) = pipe(Credits::new());
    for n in 0..10 {
        writer.try_write(n.to_string())?;
    }
    writer.finish(); // the writer is dropped before the first read
    let chunks = reader.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(chunks.concat(), b"0123456789");
    Ok(())
}

#[test]
fn empty_chunk_does_not_end_the_stream() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    for chunk in ["", "a", "", "", "b", ""] {
        writer.write(chunk).wait()?;
    }
    writer.finish();
    assert_eq!(reader.read().wait()?.as_deref(), Some(&b""[..]), "as it was written");
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    assert_eq!(text, "ab");
    Ok(())
}

// ----- credits

#[test]
fn credits_of_zero_or_too_many_chunks_are_named_errors() {
    let refused = |credits| stream::pipe((), credits).map(drop).unwrap_err();
    assert_eq!(refused(Credits::new().bytes(0)), CreditError::ZeroBytes);
    assert_eq!(refused(Credits::new().chunks(0)), CreditError::ZeroChunks);
    assert_eq!(refused(Credits::new().chunks(usize::MAX)), CreditError::TooManyChunks(usize::MAX));
    assert_eq!(stream::items::<u8>(0).map(drop).unwrap_err(), CreditError::ZeroChunks);
    assert!(stream::pipe((), Credits::new().bytes(usize::MAX).chunks(1 << 20)).is_ok());
}

#[test]
fn bytes_and_chunks_are_both_counted() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new().bytes(10).chunks(3));
    for chunk in ["", "", ""] {
        writer.try_write(chunk)?;
    }
    assert!(writer.try_write("").unwrap_err().is_full(), "three chunks");
    for _ in 0..3 {
        reader.read().wait()?;
    }
    writer.try_write("1234567")?;
    assert!(writer.try_write("8901").unwrap_err().is_full(), "eleven bytes");
    writer.try_write("890")?;
    reader.read().wait()?;
    writer.try_write("1234567")?;
    Ok(())
}

#[test]
fn chunk_larger_than_all_credits_passes_alone() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new().bytes(10));
    writer.try_write(vec![1; 100])?;
    assert!(writer.try_write("2").unwrap_err().is_full());
    assert_eq!(reader.read().wait()?.map(|chunk| chunk.len()), Some(100));
    writer.try_write("2")?;
    assert!(writer.try_write(vec![3; 100]).unwrap_err().is_full(), "not while another byte is in flight");
    reader.read().wait()?;
    writer.try_write(vec![3; 100])?;
    Ok(())
}

/// Counts the values of its kind that are alive.
struct Counted(Arc<AtomicUsize>, Vec<u8>);

impl Counted {
    fn chunk(live: &Arc<AtomicUsize>, length: usize) -> Bytes {
        live.fetch_add(length, Ordering::SeqCst);
        Bytes::from_owner(Self(live.clone(), vec![0; length]))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1.len(), Ordering::SeqCst);
    }
}

#[test]
fn stalled_reader_holds_no_more_than_its_credits() -> Tested {
    let live = Arc::new(AtomicUsize::new(0));
    let (mut writer, mut reader) = pipe(Credits::new().bytes(100_000).chunks(1_000));
    let (tell, reports) = mpsc::channel();
    let alive = live.clone();
    let writes = thread::spawn(move || {
        for n in 0..1_000 {
            if let Err(unsent) = writer.try_write(Counted::chunk(&alive, 1_000)) {
                assert!(unsent.is_full());
                let _ = tell.send(n);
                writer.write(unsent.into_inner()).wait().expect("it reads");
            }
        }
        writer.finish();
    });
    assert_eq!(reports.recv()?, 100, "then the writer waits");
    assert_eq!(live.load(Ordering::SeqCst), 101_000, "the credits, and what the writer has at hand");
    let mut count = 0;
    while let Some(chunk) = reader.read().wait()? {
        drop(chunk);
        count += 1;
        assert!(live.load(Ordering::SeqCst) <= 101_000);
    }
    assert_eq!((count, live.load(Ordering::SeqCst)), (1_000, 0));
    writes.join().expect("no panic");
    Ok(())
}

#[test]
fn dropped_reader_drops_its_unread_chunks() -> Tested {
    let live = Arc::new(AtomicUsize::new(0));
    let (mut writer, reader) = pipe(Credits::new());
    for _ in 0..10 {
        writer.try_write(Counted::chunk(&live, 1_000))?;
    }
    drop(reader);
    assert_eq!(live.load(Ordering::SeqCst), 0, "though the writer is still there");
    drop(writer);
    Ok(())
}

#[test]
fn write_timeout_gives_the_chunk_back() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new().chunks(1));
    writer.write("one").wait()?;
    let began = Instant::now();
    let pending = writer.write("two").wait_timeout(20 * MILLISECOND).expect_err("there is no credit");
    assert!(began.elapsed() >= 20 * MILLISECOND);
    let unsent = pending.into_inner().expect("it was not written");
    assert_eq!(reader.read().wait()?.expect("a chunk"), "one");
    writer.write(unsent).wait_timeout(MINUTE).expect("there is credit")?;
    assert_eq!(reader.read().wait_timeout(MINUTE).expect("in time")?.expect("a chunk"), "two");
    Ok(())
}

#[test]
fn read_timeout_takes_nothing() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    let began = Instant::now();
    assert!(reader.read().wait_timeout(20 * MILLISECOND).is_err());
    assert!(began.elapsed() >= 20 * MILLISECOND);
    writer.write("one").wait()?;
    assert_eq!(reader.read().wait_timeout(MINUTE).expect("in time")?.expect("a chunk"), "one");
    Ok(())
}

#[test]
fn dropped_waiting_write_writes_nothing() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new().chunks(1));
    writer.write("one").wait()?;
    let mut waits = Box::pin(writer.write("two"));
    assert!(is_pending(&mut waits));
    drop(waits);
    assert_eq!(reader.read().wait()?.expect("a chunk"), "one");
    writer.write("three").wait()?;
    assert_eq!(reader.read().wait()?.expect("a chunk"), "three");
    Ok(())
}

// ----- ends

#[test]
fn finished_stream_returns_none_on_each_read() -> Tested {
    let (writer, mut reader) = pipe(Credits::new());
    writer.finish();
    assert_eq!((reader.read().wait()?, reader.read().wait()?, reader.try_read()?), (None, None, None));
    Ok(())
}

#[test]
fn failed_stream_returns_its_chunks_and_then_the_error() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    writer.write("half").wait()?;
    writer.fail(io::Error::new(ErrorKind::StorageFull, "the disk is full"));
    assert_eq!(reader.read().wait()?.expect("kept"), "half");
    for _ in 0..2 {
        let error = reader.read().wait().expect_err("it failed");
        assert!(matches!(error, StreamError::Failed(_)));
        assert_eq!(error.source().expect("kept").to_string(), "the disk is full");
    }
    let error = io::Error::from(reader.read().wait().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>()).is_some());
    Ok(())
}

#[test]
fn dropped_writer_never_looks_like_an_end() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    writer.write("half").wait()?;
    write!(writer, "gathered, and not flushed")?;
    drop(writer);
    let mut text = String::new();
    let error = reader.read_to_string(&mut text).expect_err("it is not all");
    assert_eq!((error.kind(), &*text), (ErrorKind::UnexpectedEof, "half"));
    assert!(matches!(reader.read().wait(), Err(StreamError::Dropped)));
    let (writer, mut reader) = pipe(Credits::new());
    drop(writer);
    assert!(matches!(now(reader.next()), Some(Err(StreamError::Dropped))));
    assert!(now(reader.next()).is_none(), "an error is the last item");
    Ok(())
}

#[test]
fn waiting_reader_sees_each_kind_of_end() {
    type Seen = fn(&Result<Option<Bytes>, StreamError>) -> bool;
    let ends: [(fn(StreamWriter), Seen); 3] = [
        (StreamWriter::finish, |end| matches!(end, Ok(None))),
        (|writer| writer.fail("no more"), |end| matches!(end, Err(StreamError::Failed(_)))),
        (drop, |end| matches!(end, Err(StreamError::Dropped))),
    ];
    for (end, is_seen) in ends {
        let (writer, mut reader) = pipe(Credits::new());
        let reads = thread::spawn(move || reader.read().wait());
        thread::yield_now();
        end(writer);
        assert!(is_seen(&reads.join().expect("no panic")));
    }
}

#[test]
fn waiting_writer_sees_why_the_reader_stopped() -> Tested {
    type Seen = fn(&WriteError) -> bool;
    let ends: [(fn(StreamReader), Seen); 2] = [
        (
            |reader| reader.cancel("seen enough"),
            |why| matches!(why, WriteError::Cancelled(reason) if reason.to_string() == "seen enough"),
        ),
        (drop, |why| matches!(why, WriteError::Dropped)),
    ];
    for (end, is_seen) in ends {
        let (mut writer, reader) = pipe(Credits::new().chunks(1));
        writer.write("one").wait()?;
        let writes = thread::spawn(move || (writer.write("two").wait(), writer));
        thread::yield_now();
        end(reader);
        let (outcome, mut writer) = writes.join().expect("no panic");
        let unsent = outcome.expect_err("the reader is gone");
        assert!(is_seen(unsent.error()), "{unsent:?}");
        assert_eq!(unsent.into_inner(), "two");
        assert!(is_seen(&writer.unread().expect("the reader is gone")));
        assert!(is_seen(writer.try_write("three").unwrap_err().error()));
        let error = writer.write_all(b"four").expect_err("the reader is gone");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(error.get_ref().and_then(|inner| inner.downcast_ref()).is_some_and(is_seen));
    }
    Ok(())
}

#[test]
fn finished_waits_until_the_reader_has_taken_all() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    writer.write("one").wait()?;
    write!(writer, "two")?;
    let mut finished = Box::pin(writer.drained());
    assert!(is_pending(&mut finished));
    assert_eq!(reader.read().wait()?.expect("a chunk"), "one");
    assert!(is_pending(&mut finished), "one more");
    let waits = thread::spawn(move || pollster::block_on(finished));
    assert_eq!(reader.read().wait()?.expect("a chunk"), "two");
    waits.join().expect("no panic")?;
    assert_eq!(reader.read().wait()?, None);
    Ok(())
}

#[test]
fn finished_reports_a_reader_that_left_before() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    writer.write("one").wait()?;
    writer.write("two").wait()?;
    reader.read().wait()?;
    drop(reader);
    assert!(matches!(writer.drained().wait(), Err(WriteError::Dropped)), "the second was not taken");
    let (mut writer, mut reader) = pipe(Credits::new());
    writer.write("one").wait()?;
    reader.read().wait()?;
    drop(reader);
    writer.drained().wait()?; // all was taken
    let (writer, reader) = pipe(Credits::new());
    reader.cancel("no, thanks");
    assert!(matches!(writer.drained().wait(), Err(WriteError::Cancelled(_))));
    Ok(())
}

#[test]
fn finish_does_not_wait_for_credit() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new().bytes(4).chunks(1));
    writer.try_write("full")?;
    writer.write_all(b"more")?; // still in the buffer
    writer.finish();
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    assert_eq!(text, "fullmore");
    Ok(())
}

// ----- as `Read` and `Write`

/// Returns bytes that do not repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    (0..length).map(|_| random.u8(..)).collect()
}

#[test]
fn mebibytes_are_copied_between_two_threads() -> Tested {
    let sent = noise(5 << 20);
    let (mut writer, mut reader) = pipe(Credits::new().bytes(300_000).chunks(7));
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(io::copy(&mut &sent[..], &mut writer).expect("it reads"), 5 << 20);
            writer.finish();
        });
        let mut received = Vec::new();
        io::copy(&mut reader, &mut received).map(|_| received)
    })?;
    assert!(received == sent);
    Ok(())
}

#[test]
fn small_writes_are_joined_until_a_chunk_is_full_or_flushed() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    for _ in 0..1_000 {
        writer.write_all(b"0123456789")?;
    }
    assert!(matches!(reader.try_read(), Err(StreamError::Empty)));
    writer.flush()?;
    assert_eq!(reader.try_read()?.map(|chunk| chunk.len()), Some(10_000));
    writer.flush()?;
    assert!(matches!(reader.try_read(), Err(StreamError::Empty)), "a flush of nothing writes nothing");
    writer.write_all(&vec![0; 100_000])?;
    writer.write("after it").wait()?;
    let mut chunks = Vec::new();
    while chunks.last().is_none_or(|chunk| chunk != "after it") {
        chunks.push(reader.read().wait()?.expect("there is more"));
    }
    let lengths: Vec<_> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(lengths.iter().sum::<usize>(), 100_008);
    assert!(lengths.iter().all(|length| *length <= 64 << 10), "{lengths:?}");
    Ok(())
}

#[test]
fn all_read_methods_share_the_rest_of_a_chunk() -> Tested {
    let (mut writer, mut reader) = pipe(Credits::new());
    writer.write("first line\nsecond ").wait()?;
    writer.write("line\nand the rest").wait()?;
    writer.finish();
    let mut line = String::new();
    reader.read_line(&mut line)?;
    assert_eq!(line, "first line\n");
    let mut three = [0; 3];
    reader.read_exact(&mut three)?;
    assert_eq!(&three, b"sec");
    assert_eq!(now(reader.next()).expect("a chunk")?, "ond ");
    assert_eq!(BufRead::fill_buf(&mut reader)?, b"line\nand the rest");
    BufRead::consume(&mut reader, 5);
    assert_eq!(reader.read().wait()?.expect("a chunk"), "and the rest");
    assert!(BufRead::fill_buf(&mut reader)?.is_empty());
    Ok(())
}

async fn copy_async() -> Tested {
    let sent = noise(2 << 20);
    let (mut writer, mut reader) = pipe(Credits::new().bytes(100_000).chunks(5));
    let writes = async {
        aio::AsyncWriteExt::write_all(&mut writer, &sent).await?;
        aio::AsyncWriteExt::close(&mut writer).await?;
        let late = aio::AsyncWriteExt::write_all(&mut writer, b"late").await.expect_err("it is closed");
        assert_eq!(late.kind(), ErrorKind::BrokenPipe);
        Ok(())
    };
    let mut received = Vec::new();
    let reads = aio::AsyncReadExt::read_to_end(&mut reader, &mut received);
    future::try_join(writes, reads).await?;
    assert!(received == sent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mebibytes_are_copied_on_tokio() -> Tested {
    copy_async().await?;
    let (mut writer, reader) = pipe(Credits::new().chunks(2));
    let writes = tokio::spawn(async move {
        for n in 0..100 {
            aio::AsyncWriteExt::write_all(&mut writer, format!("line {n}\n").as_bytes()).await?;
            aio::AsyncWriteExt::flush(&mut writer).await?;
        }
        writer.finish();
        io::Result::Ok(())
    });
    let lines: Vec<_> = aio::AsyncBufReadExt::lines(reader).try_collect().await?;
    assert_eq!((lines.len(), &*lines[99]), (100, "line 99"));
    writes.await??;
    Ok(())
}

#[test]
fn mebibytes_are_copied_on_pollster() -> Tested {
    pollster::block_on(copy_async())
}

#[test]
fn async_writer_works_with_generic_code() -> Tested {
    use futures_util::AsyncWriteExt;
    async fn greet(mut to: impl aio::AsyncWrite + Unpin) -> io::Result<()> {
        to.write_all(b"hello").await?;
        to.close().await
    }
    let (writer, mut reader) = pipe(Credits::new());
    pollster::block_on(greet(writer))?;
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    assert_eq!(text, "hello");
    Ok(())
}

#[test]
fn chunks_flow_from_a_stream_into_a_sink() -> Tested {
    let (writer, reader) = pipe(Credits::new().bytes(10).chunks(2));
    let chunks: Vec<_> = (0..100).map(|n: u32| Bytes::from(n.to_string())).collect();
    let sent = futures_util::stream::iter(chunks.clone()).map(Ok).forward(writer);
    let received = reader.try_collect::<Vec<_>>();
    let (sent, received) = pollster::block_on(future::join(sent, received));
    sent?;
    assert_eq!(received?, chunks);
    Ok(())
}

// ----- items

#[test]
fn call_streams_many_values() -> Tested {
    let (sender, mut numbers) = stream::items(4)?;
    let job = Geometry::tasks().numbers(10, sender).submit();
    assert_eq!(numbers.iter().collect::<Result<Vec<_>, _>>()?, Vec::from_iter(0..10));
    job.flatten().wait()?;
    let (sender, numbers) = stream::items(4)?;
    let job = Geometry::tasks().numbers_async(10, sender).submit();
    let numbers = pollster::block_on(numbers.try_collect::<Vec<_>>())?;
    assert_eq!(numbers, Vec::from_iter(0..10));
    job.flatten().wait()?;
    Ok(())
}

#[test]
fn dropped_receiver_ends_the_task() -> Tested {
    for bound in [1, 64] {
        for is_async in [false, true] {
            let (sender, mut numbers) = stream::items(bound)?;
            let geometry = Geometry::tasks();
            let job = match is_async {
                false => geometry.numbers(i64::MAX, sender).submit().flatten(),
                true => geometry.numbers_async(i64::MAX, sender).submit().flatten(),
            };
            assert_eq!(numbers.iter().take(3).collect::<Result<Vec<_>, _>>()?, [0, 1, 2]);
            numbers.cancel("three are enough");
            match job.wait() {
                Err(TaskError::Task(WriteError::Cancelled(reason))) => {
                    assert_eq!(reason.to_string(), "three are enough");
                }
                other => unreachable!("not {other:?}"),
            }
        }
    }
    Ok(())
}

#[test]
fn panicking_task_leaves_an_error_and_no_end() -> Tested {
    let (sender, mut numbers) = stream::items(2)?;
    let job = Geometry::tasks().numbers_then_panic(5, sender).submit();
    for n in 0..5 {
        assert_eq!(numbers.recv().wait()?, Some(n));
    }
    assert!(matches!(numbers.recv().wait(), Err(StreamError::Dropped)));
    assert!(matches!(job.wait(), Err(CallError::Panicked(..))));
    Ok(())
}

#[test]
fn late_failure_of_a_task_leaves_no_short_stream() -> Tested {
    let (release, gate) = mpsc::channel();
    let mut numbers = stream::from_call(4, |items| Geometry::tasks().one_then_panic(items, gate))?;
    let waker = Waker::noop();
    let poll =
        |numbers: &mut stream::FromCall<_, i64, ()>| Pin::new(numbers).poll_next(&mut task::Context::from_waker(waker));
    while poll(&mut numbers).is_pending() {
        thread::yield_now(); // it is on its way: 1
    }
    // The sender is dropped some time after the item, and the call ends long after that.
    for _ in 0..100 {
        assert!(poll(&mut numbers).is_pending(), "why it ended is not known yet");
        thread::sleep(MILLISECOND);
    }
    release.send(())?;
    let rest: Vec<_> = pollster::block_on(StreamExt::collect(numbers));
    assert!(matches!(rest[..], [Err(FromCallError::Call(CallError::Panicked(..)))]), "{rest:?}");
    Ok(())
}

#[test]
fn polled_values_may_be_awaited_by_blocking() -> Tested {
    let (release, gate) = mpsc::channel();
    let mut numbers = stream::from_call(4, |items| Geometry::tasks().one_then_panic(items, gate))?;
    assert_eq!(Iterator::next(&mut numbers).transpose()?, Some(1));
    let mut polled = || Pin::new(&mut numbers).poll_next(&mut task::Context::from_waker(Waker::noop())).is_pending();
    assert!((0..100).all(|_| polled()), "why it ended is not known yet");
    thread::sleep(20 * MILLISECOND);
    assert!(polled(), "why it ended is not known yet");
    release.send(())?;
    assert!(matches!(Iterator::next(&mut numbers), Some(Err(FromCallError::Call(CallError::Panicked(..))))));
    assert!(Iterator::next(&mut numbers).is_none());
    Ok(())
}

/// Panics when it is dropped.
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0, "dropped");
    }
}

#[test]
fn panic_in_the_drop_of_a_value_hides_no_end() -> Tested {
    let (mut sender, mut receiver) = stream::items(1)?;
    Pin::new(&mut sender).start_send(Bomb(false))?;
    Pin::new(&mut sender).start_send(Bomb(true))?; // waits for capacity
    assert!(panic::catch_unwind(panic::AssertUnwindSafe(|| drop(sender))).is_err());
    assert!(receiver.recv().wait_timeout(LONG).expect("in time")?.is_some());
    assert!(matches!(receiver.recv().wait_timeout(LONG), Ok(Err(StreamError::Dropped))));
    Ok(())
}

#[test]
fn item_streams_have_the_same_bound_ends_and_errors() -> Tested {
    let (mut sender, mut receiver) = stream::items(2)?;
    sender.try_send(1)?;
    sender.try_send(2)?;
    assert_eq!(sender.try_send(3).unwrap_err().into_inner(), 3);
    assert_eq!(sender.send(3).wait_timeout(MILLISECOND).unwrap_err().into_inner(), Some(3));
    assert_eq!(receiver.recv().wait_timeout(MINUTE).expect("in time")?, Some(1));
    sender.try_send(3)?;
    sender.fail("no more");
    assert_eq!((receiver.try_recv()?, receiver.try_recv()?), (Some(2), Some(3)));
    assert!(matches!(receiver.try_recv(), Err(StreamError::Failed(_))));
    assert!(matches!(receiver.recv().wait(), Err(StreamError::Failed(_))));
    Ok(())
}

#[test]
fn sink_holds_one_value_beyond_the_bound() -> Tested {
    use futures_util::SinkExt;
    let (mut sender, mut receiver) = stream::items(1)?;
    pollster::block_on(sender.feed(1))?;
    pollster::block_on(sender.feed(2))?;
    assert!(is_pending(sender.feed(3)));
    assert!(is_pending(sender.flush()));
    assert_eq!(receiver.recv().wait()?, Some(1));
    pollster::block_on(sender.flush())?;
    assert_eq!(receiver.recv().wait()?, Some(2));
    pollster::block_on(sender.close())?;
    assert!(matches!(sender.try_send(3).unwrap_err().error(), WriteError::Finished));
    assert_eq!(receiver.recv().wait()?, None);
    Ok(())
}

#[test]
fn items_that_are_not_unpin_are_sent() -> Tested {
    let (mut sender, receiver) = stream::items(2)?;
    sender.send(std::marker::PhantomPinned).wait()?;
    sender.finish();
    assert_eq!(receiver.into_iter().count(), 1);
    Ok(())
}

// ----- tasks that block

#[test]
fn reading_task_lends_its_slot_to_the_writing_task() -> Tested {
    let pool = narrow();
    let geometry = Geometry::on(&pool);
    let (sender, receiver) = stream::items(1)?;
    let sum = geometry.sum(receiver).submit(); // holds the only slot, and waits
    let numbers = geometry.numbers(100, sender).submit();
    assert_eq!(sum.flatten().wait()?, 4_950);
    numbers.flatten().wait()?;
    Ok(())
}

#[test]
fn writing_task_lends_its_slot_to_the_reading_task() -> Tested {
    let pool = narrow();
    let geometry = Geometry::on(&pool);
    let (sender, receiver) = stream::items(1)?;
    let numbers = geometry.numbers(100, sender).submit();
    let sum = geometry.sum(receiver).submit();
    assert_eq!(sum.flatten().wait()?, 4_950);
    numbers.flatten().wait()?;
    Ok(())
}

#[test]
fn task_that_polls_a_stream_itself_lends_its_slot() -> Tested {
    let pool = narrow();
    let geometry = Geometry::on(&pool);
    let (sender, receiver) = stream::items(1)?;
    let sum = geometry.sum_on_pollster(receiver).submit();
    let numbers = geometry.numbers(100, sender).submit();
    assert_eq!(sum.flatten().wait()?, 4_950);
    numbers.flatten().wait()?;
    Ok(())
}

#[test]
fn stream_polled_by_another_task_lends_the_current_slot() -> Tested {
    let pool = narrow();
    let geometry = Geometry::on(&pool);
    let (sender, receiver) = stream::items(1)?;
    let receiver = geometry.glance(receiver).wait()?;
    let sum = geometry.sum_on_pollster(receiver).submit();
    let numbers = geometry.numbers(100, sender).timeout(LONG).submit();
    numbers.flatten().wait()?;
    assert_eq!(sum.flatten().wait()?, 4_950);
    Ok(())
}

#[test]
fn handle_polled_by_another_task_lends_the_current_slot() -> Tested {
    let pool = narrow();
    let geometry = Geometry::on(&pool);
    let (release, gate) = mpsc::channel();
    let handle = Geometry::tasks().wait_at(gate).submit();
    let handle = geometry.glance_at_call(handle).wait()?;
    let waits = geometry.wait_on_pollster(handle).submit();
    geometry.numbers(0, stream::items(1)?.0).timeout(LONG).flatten().wait()?; // runs meanwhile
    release.send(())?;
    waits.wait()??;
    Ok(())
}

// ----- against a model

/// A model of a stream: the chunks in flight, and how each side ended.
struct Model {
    credits: (usize, usize),
    in_flight: VecDeque<Bytes>,
}

impl Model {
    fn admits(&self, chunk: &Bytes) -> bool {
        let load: usize = self.in_flight.iter().map(Bytes::len).sum();
        let fits = load == 0 || chunk.is_empty() || load + chunk.len() <= self.credits.0;
        fits && self.in_flight.len() < self.credits.1
    }
}

/// Runs one history: random writes and reads, then an end from one side or both.
fn history(random: &mut fastrand::Rng) -> Tested {
    let credits = (random.usize(1..200), random.usize(1..6));
    let (writer, reader) = pipe(Credits::new().bytes(credits.0).chunks(credits.1));
    let (mut writer, mut reader) = (Some(writer), Some(reader));
    let mut model = Model { credits, in_flight: VecDeque::new() };
    let mut ended = "";
    for _ in 0..random.usize(1..60) {
        match (random.u32(..40), &mut writer, &mut reader) {
            (0, Some(_), _) => {
                let writer = writer.take().expect("it is there");
                ended = ["finished", "failed", "dropped"][random.usize(..3)];
                match ended {
                    "finished" => writer.finish(),
                    "failed" => writer.fail("for the model"),
                    _ => drop(writer),
                }
            }
            (1, _, Some(_)) => {
                let reader = reader.take().expect("it is there");
                if random.bool() { reader.cancel("for the model") } else { drop(reader) }
            }
            (2..20, Some(writer), reader) => {
                let chunk = Bytes::from(noise(random.usize(..150)));
                let outcome = writer.try_write(chunk.clone()).map_err(|unsent: SendError<_>| {
                    assert_eq!(unsent.error().source().is_some(), matches!(unsent.error(), WriteError::Cancelled(_)));
                    (unsent.is_full(), unsent.into_inner())
                });
                match (reader.is_some(), model.admits(&chunk)) {
                    (false, _) => assert_eq!(outcome, Err((false, chunk))),
                    (true, false) => assert_eq!(outcome, Err((true, chunk))),
                    (true, true) => {
                        assert_eq!(outcome, Ok(()));
                        model.in_flight.push_back(chunk);
                    }
                }
            }
            (20.., _, Some(reader)) => match (reader.try_read(), model.in_flight.pop_front()) {
                (Ok(Some(chunk)), Some(expected)) => assert_eq!(chunk, expected),
                (Ok(None), None) => assert_eq!(ended, "finished"),
                (Err(StreamError::Failed(_)), None) => assert_eq!(ended, "failed"),
                (Err(StreamError::Dropped), None) => assert_eq!(ended, "dropped"),
                (Err(StreamError::Empty), None) => assert_eq!(ended, ""),
                other => unreachable!("{other:?}"),
            },
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn random_histories_match_a_queue() -> Tested {
    for seed in 0..3_000 {
        history(&mut fastrand::Rng::with_seed(seed))?;
    }
    Ok(())
}

/// Runs the same on two threads that wait. Each side ends at a random time.
fn race(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let live = Arc::new(AtomicUsize::new(0));
    let credits = (random.usize(1_000..5_000), random.usize(1..5));
    let (mut writer, mut reader) = pipe(Credits::new().bytes(credits.0).chunks(credits.1));
    let (writes, reads, end) = (random.usize(..200), random.usize(..200), random.usize(..3));
    let alive = live.clone();
    let mut sizes = random.fork();
    let writing = thread::spawn(move || {
        let mut written = 0;
        for _ in 0..writes {
            let chunk = Counted::chunk(&alive, sizes.usize(..1_000));
            if let Err(unsent) = writer.write(chunk).wait() {
                assert!(matches!(unsent.error(), WriteError::Dropped));
                return (written, false);
            }
            written += 1;
        }
        match end {
            0 => writer.finish(),
            1 => writer.fail("for the race"),
            _ => drop(writer),
        }
        (written, true)
    });
    let mut read = 0;
    let ended = loop {
        if read == reads {
            break false;
        }
        match (reader.read().wait(), end) {
            (Ok(Some(_)), _) => read += 1,
            (Ok(None), 0) | (Err(StreamError::Failed(_)), 1) | (Err(StreamError::Dropped), 2) => break true,
            (other, _) => unreachable!("seed {seed}: {other:?}"),
        }
        // The writer holds one chunk.
        assert!(live.load(Ordering::SeqCst) <= credits.0 + 1_000);
    };
    drop(reader);
    let (written, all) = writing.join().expect("no panic");
    assert!(read <= written && written - read <= credits.1 + 1, "seed {seed}: {read} of {written}");
    assert!(!ended || (all && read == written), "seed {seed}: an end before all was read");
    assert_eq!(live.load(Ordering::SeqCst), 0, "seed {seed}: all is dropped");
}

#[test]
fn threads_that_wait_for_each_other_see_all_and_the_end() {
    (0..500).for_each(race);
}

#[test]
fn end_never_overtakes_earlier_values() {
    let (give, take) = mpsc::sync_channel::<ItemSender<u32>>(1);
    let sends = thread::spawn(move || {
        for mut sender in take {
            sender.try_send(7).expect("there is room");
            sender.finish();
        }
    });
    for _ in 0..20_000 {
        let (sender, mut receiver) = stream::items(1).expect("sound");
        give.send(sender).expect("it listens");
        // The receiver may check between the value and the end.
        let first = loop {
            match receiver.try_recv() {
                Err(StreamError::Empty) => std::hint::spin_loop(),
                seen => break seen,
            }
        };
        assert_eq!(first.expect("no error"), Some(7));
    }
    drop(give);
    sends.join().expect("no panic");
}

// ----- helpers

/// Returns the output of a future at its first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it is ready")
}

fn is_pending(future: impl Future) -> bool {
    future.now_or_never().is_none()
}
