//! A stream that is offered to many, of whom one takes it: over a messenger, for example.

use super::{
    credits::{CreditError, Credits},
    reader::StreamReader,
    writer::{StreamWriter, pipe},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Makes a stream of bytes whose reader is the first who takes the offer: send its clones to whom you like, over a
/// [`Messenger`](crate::Messenger), through ports, as arguments.
///
/// What is written before is kept, up to the credits. If all clones go and nobody has taken it, the writer is told as by a
/// reader that goes: [`WriteError::Dropped`](super::WriteError::Dropped).
///
/// ```
/// use nanolith::{Messenger, stream::{self, Credits, StreamOffer}};
/// use std::io::Read;
/// let uploads = Messenger::<StreamOffer<&'static str>>::named("uploads")?;
/// let mut heard = uploads.join().subscribe();
///
/// let (mut writer, offer) = stream::offer("points.txt", Credits::new())?;
/// uploads.send(offer).wait()?;
/// writer.write("1 2 3").wait()?;
/// writer.finish();
///
/// let mut reader = heard.recv().wait()?.accept().ok_or("another was first")?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!((*reader.metadata(), &*text), ("points.txt", "1 2 3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CreditError`] for credits of zero, or of more than 1,048,576 chunks.
pub fn offer<M>(metadata: M, credits: Credits) -> Result<(StreamWriter<M>, StreamOffer<M>), CreditError> {
    let (writer, reader) = pipe(metadata, credits)?;
    Ok((writer, StreamOffer { reader: Arc::new(Mutex::new(Some(reader))) }))
}

/// A stream for the first who takes it: made by [`offer`]. Clones are of one offer.
#[must_use = "a stream that nobody takes is dropped"]
pub struct StreamOffer<M = ()> {
    reader: Arc<Mutex<Option<StreamReader<M>>>>,
}

impl<M> StreamOffer<M> {
    /// The stream, if nobody has taken it.
    ///
    /// ```
    /// use nanolith::stream::{self, Credits};
    /// let (writer, offer) = stream::offer((), Credits::new())?;
    /// let again = offer.clone();
    /// assert!(offer.accept().is_some());
    /// assert!(again.accept().is_none());
    /// # drop(writer);
    /// # Ok::<(), stream::CreditError>(())
    /// ```
    pub fn accept(self) -> Option<StreamReader<M>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether somebody has taken it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl<M> Clone for StreamOffer<M> {
    fn clone(&self) -> Self {
        Self { reader: self.reader.clone() }
    }
}

impl<M> fmt::Debug for StreamOffer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamOffer").field("is_taken", &self.is_taken()).finish()
    }
}
