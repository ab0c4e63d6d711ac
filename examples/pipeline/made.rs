//! Generates pictures for a run of the pipeline without files: rings in colour, of different sizes.

use crate::picture::{Picture, packed};
use png::{ColorType, Compression};
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

/// Generates `count` files in a folder.
pub(crate) fn pictures(folder: &Path, count: usize) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    (0..count).map(|number| picture(folder, number)).collect()
}

fn picture(folder: &Path, number: usize) -> Result<PathBuf, Box<dyn Error>> {
    let file = folder.join(format!("{number:04}.png"));
    let (width, height) = (140 + number * 97 % 240, 140 + number * 61 % 160);
    let pixel = |at: usize| {
        let (x, y) = ((at % width) as i64 - width as i64 / 2, (at / width) as i64 - height as i64 / 2);
        let ring = ((x * x + y * y) / (40 * (number as i64 + 1))) as u8;
        [ring, ring.wrapping_mul(3), (at % 251) as u8]
    };
    let samples = (0..width * height).flat_map(pixel).collect();
    let picture = Picture { file, width, height, color: ColorType::Rgb, samples };
    fs::write(&picture.file, packed(&picture, Compression::Fast)?)?;
    Ok(picture.file)
}
