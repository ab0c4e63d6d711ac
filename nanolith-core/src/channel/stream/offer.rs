//! [`StreamOffer`]: a stream that is offered to several receivers and accepted by one of them, for
//! example over a messenger.

use super::{
    credits::{CreditError, Credits},
    reader::StreamReader,
    writer::{StreamWriter, pipe},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Creates a stream of bytes whose reader goes to the first receiver that accepts the offer. Clones
/// of the offer can be sent over a [`Messenger`](crate::channel::messenger::Messenger), through
/// ports, and as arguments.
///
/// Bytes that are written before the offer is accepted are kept, up to the credits. If all clones
/// are dropped and none was accepted, the writer gets the error of a dropped reader:
/// [`WriteError::Dropped`](super::WriteError::Dropped).
///
/// ```
/// use nanolith::{messenger::Messenger, prelude::*, stream::{self, Credits, StreamOffer}};
/// use std::io::Read;
/// let uploads = Messenger::<StreamOffer<&'static str>>::open("uploads")?;
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
/// Returns [`CreditError`] for credits of zero, or of more than 1,048,576 chunks.
pub fn offer<M>(metadata: M, credits: Credits) -> Result<(StreamWriter<M>, StreamOffer<M>), CreditError> {
    let (writer, reader) = pipe(metadata, credits)?;
    Ok((writer, StreamOffer { reader: Arc::new(Mutex::new(Some(reader))) }))
}

/// An offer of a stream to the first receiver that accepts it. Created by [`offer`]. All clones are
/// the same offer.
#[must_use = "a stream that is not accepted is dropped"]
pub struct StreamOffer<M = ()> {
    reader: Arc<Mutex<Option<StreamReader<M>>>>,
}

impl<M> StreamOffer<M> {
    /// Takes the stream, if no clone of this offer was accepted before.
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

    /// Returns `true` if a clone of this offer was accepted.
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
