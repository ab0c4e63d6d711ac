//! [`Pictures`]: the three tasks of the pipeline, which decode a file to a picture, shrink the
//! picture, and encode the small picture.

use crate::file::{self, Links};
use nanolith::prelude::*;
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Transformations};
use std::{io, io::BufReader, path::PathBuf};

/// The length of the longer side of a small picture, in pixels, at most.
const SIDE: usize = 128;

/// A picture in memory, with a byte for each channel of each pixel.
pub(crate) struct Picture {
    pub(crate) file: PathBuf,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) color: ColorType,
    pub(crate) samples: Vec<u8>,
}

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
    pub(crate) fn decode(file: PathBuf) -> Result<Picture, io::Error> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", file.display()));
        let (opened, _) = file::open(&file, Links::Follow).map_err(named)?;
        let mut decoder = Decoder::new(BufReader::new(opened));
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|error| named(error.into()))?;
        let size = reader.output_buffer_size().ok_or_else(|| named(io::ErrorKind::FileTooLarge.into()))?;
        let mut samples = vec![0; size];
        let info = reader.next_frame(&mut samples).map_err(|error| named(error.into()))?;
        let (width, height) = (info.width as usize, info.height as usize);
        Ok(Picture { file, width, height, color: info.color_type, samples })
    }

    /// Shrinks a picture. Each pixel of the small picture is the mean of the pixels that it covers.
    /// A small picture is returned unchanged.
    pub(crate) fn shrink(picture: Picture) -> Picture {
        let Picture { file, width, height, color, samples } = picture;
        let longer = width.max(height);
        let scaled = |side: usize| if longer <= SIDE { side } else { (side * SIDE / longer).max(1) };
        let (to_width, to_height, channels) = (scaled(width), scaled(height), color.samples());
        let mut small = Vec::with_capacity(to_width * to_height * channels);
        for y in 0..to_height {
            let rows = covered(y, to_height, height);
            for x in 0..to_width {
                let columns = covered(x, to_width, width);
                for channel in 0..channels {
                    let pixels = rows.clone().flat_map(|row| columns.clone().map(move |column| row * width + column));
                    let sum: usize = pixels.map(|pixel| usize::from(samples[pixel * channels + channel])).sum();
                    small.push((sum / (rows.len() * columns.len())) as u8);
                }
            }
        }
        Picture { file, width: to_width, height: to_height, color, samples: small }
    }

    /// Encodes the picture in the PNG format.
    pub(crate) fn encode(picture: Picture) -> Result<Small, png::EncodingError> {
        let png = packed(&picture, Compression::High)?;
        Ok(Small { file: picture.file, png })
    }
}

/// Returns the range of the `from` pixels that pixel `at` of `to` covers. It has at least one
/// pixel.
fn covered(at: usize, to: usize, from: usize) -> std::ops::Range<usize> {
    at * from / to..(at + 1) * from / to
}

/// Returns the picture in the PNG format.
pub(crate) fn packed(picture: &Picture, compression: Compression) -> Result<Vec<u8>, png::EncodingError> {
    let mut packed = Vec::new();
    let mut encoder = Encoder::new(&mut packed, picture.width as u32, picture.height as u32);
    encoder.set_color(picture.color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(compression);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.samples)?;
    writer.finish()?;
    Ok(packed)
}
