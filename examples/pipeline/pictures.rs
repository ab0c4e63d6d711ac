//! [`Pictures`]: the three tasks of the pipeline, which decode a file to a picture, shrink the
//! picture, and encode the small picture.

use crate::picture::Picture;
use nanolith::prelude::*;
use png::Compression;
use std::{io, path::PathBuf};

/// The length of the longer side of a small picture, in pixels, at most.
const SIDE: usize = 128;

/// A small picture in the form in which it is written.
pub(crate) struct Small {
    pub(crate) file: PathBuf,
    pub(crate) png: Vec<u8>,
}

/// The tasks of the pipeline.
pub(crate) struct Pictures;

#[define(vis = "pub(crate)")]
impl Pictures {
    /// Reads a file in the PNG format.
    pub(crate) fn decode(file: PathBuf) -> io::Result<Picture> {
        Picture::read(file)
    }

    /// Shrinks a picture.
    pub(crate) fn shrink(picture: Picture) -> Picture {
        picture.shrink(SIDE)
    }

    /// Encodes a picture in the PNG format.
    pub(crate) fn encode(picture: Picture) -> Result<Small, png::EncodingError> {
        let png = picture.encode(Compression::High)?;
        Ok(Small { file: picture.file, png })
    }
}
