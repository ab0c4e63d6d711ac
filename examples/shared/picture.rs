//! [`Picture`]: a picture in memory, which is read, shrunk and encoded in the PNG format.

use crate::file::{self, Links};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Transformations};
use std::{
    error::Error,
    fs,
    io::{self, BufReader},
    ops::Range,
    path::{Path, PathBuf},
};

/// A picture with a byte for each channel of each pixel.
pub(crate) struct Picture {
    pub(crate) file: PathBuf,
    width: usize,
    height: usize,
    color: ColorType,
    samples: Vec<u8>,
}

impl Picture {
    /// Reads a file in the PNG format. The error names the file.
    pub(crate) fn read(file: PathBuf) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", file.display()));
        let (opened, _) = file::open(&file, Links::Follow).map_err(named)?;
        let mut decoder = Decoder::new(BufReader::new(opened));
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|error| named(error.into()))?;
        let size = reader.output_buffer_size().ok_or_else(|| named(io::ErrorKind::FileTooLarge.into()))?;
        let mut samples = vec![0; size];
        let info = reader.next_frame(&mut samples).map_err(|error| named(error.into()))?;
        let (width, height) = (info.width as usize, info.height as usize);
        Ok(Self { file, width, height, color: info.color_type, samples })
    }

    /// Shrinks the picture so that its longer side has at most `side` pixels. Each pixel of the
    /// result is the mean of the pixels that it covers. A small picture is returned unchanged.
    pub(crate) fn shrink(self, side: usize) -> Self {
        let Self { file, width, height, color, samples } = self;
        let longer = width.max(height);
        let scaled = |length: usize| if longer <= side { length } else { (length * side / longer).max(1) };
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
        Self { file, width: to_width, height: to_height, color, samples: small }
    }

    /// Returns the picture in the PNG format.
    pub(crate) fn encode(&self, compression: Compression) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(self.color);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(compression);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.samples)?;
        writer.finish()?;
        Ok(bytes)
    }
}

/// Returns the range of the `from` pixels that pixel `at` of `to` covers. It has at least one
/// pixel.
fn covered(at: usize, to: usize, from: usize) -> Range<usize> {
    at * from / to..(at + 1) * from / to
}

/// Writes `count` pictures into a folder, for a run without files: rings in colour, of different
/// sizes. Returns their paths.
pub(crate) fn make_files(folder: &Path, count: usize) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    (0..count).map(|number| make_file(folder, number)).collect()
}

fn make_file(folder: &Path, number: usize) -> Result<PathBuf, Box<dyn Error>> {
    let file = folder.join(format!("{number:04}.png"));
    let (width, height) = (140 + number * 97 % 240, 140 + number * 61 % 160);
    let pixel = |at: usize| {
        let (x, y) = ((at % width) as i64 - width as i64 / 2, (at / width) as i64 - height as i64 / 2);
        let ring = ((x * x + y * y) / (40 * (number as i64 + 1))) as u8;
        [ring, ring.wrapping_mul(3), (at % 251) as u8]
    };
    let samples = (0..width * height).flat_map(pixel).collect();
    let picture = Picture { file, width, height, color: ColorType::Rgb, samples };
    fs::write(&picture.file, picture.encode(Compression::Fast)?)?;
    Ok(picture.file)
}
