//! Draws a chart of a case: a bar for each contender, with its range as a whisker.

use crate::{
    goals::Figure,
    machine, median,
    report::number,
    run::{Measured, Row},
};
use plotters::prelude::*;
use std::{error::Error, fs, path::Path};

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Outcome = Result<(), Box<dyn Error>>;

/// The width in pixels.
const WIDTH: u32 = 900;
const HEAD: i32 = 62;
const ROW: i32 = 26;
const BAR: i32 = 16;
const FOOT: i32 = 14;
const LABELS: i32 = 270;
const BARS: i32 = 500;

const OURS: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const LIMIT: RGBColor = RGBColor(0xc8, 0xc8, 0xc8);
const PEER: RGBColor = RGBColor(0x75, 0x9f, 0xc4);

/// Draws `CASE.svg` into a folder.
pub(crate) fn draw(measured: &Measured, folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.svg", measured.case.name));
    let height = HEAD + ROW * i32::try_from(measured.rows.len())? + FOOT;
    let area = SVGBackend::new(&path, (WIDTH, height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE)?;
    caption(&area, measured)?;
    let longest = measured.rows.iter().flat_map(Row::figures).fold(f64::MIN_POSITIVE, f64::max);
    for (row, place) in measured.rows.iter().zip(0..) {
        bar(&area, row, HEAD + place * ROW, f64::from(BARS) / longest)?;
    }
    area.present()?;
    Ok(())
}

fn caption(area: &Area<'_>, measured: &Measured) -> Outcome {
    let case = measured.case;
    let better = if case.unit.is_cost() { "less" } else { "more" };
    let rounds = measured.rows.iter().map(|row| row.rounds.len()).max().unwrap_or(0);
    let second = format!("{}, {better} is better; medians of {rounds} rounds; {}", case.unit.name(), machine::line());
    text(area, &format!("{}: {}", case.name, case.what), (10, 10), 20)?;
    text(area, &second, (10, 34), 15)
}

fn bar(area: &Area<'_>, row: &Row, top: i32, scale: f64) -> Outcome {
    let name = row.contender.name;
    text(area, name, (10, top + 2), 16)?;
    let Some(figure) = row.figure(Figure::Median) else {
        return text(area, row.missing.as_deref().unwrap_or("-"), (LABELS, top + 2), 15);
    };
    let at = |value: f64| LABELS + (value * scale) as i32;
    area.draw(&Rectangle::new([(LABELS, top), (at(figure), top + BAR)], colour(name).filled()))?;
    let (low, high, middle) = (median::lowest(&row.figures()), median::highest(&row.figures()), top + BAR / 2);
    area.draw(&PathElement::new([(at(low), middle), (at(high), middle)], BLACK))?;
    for end in [at(low), at(high)] {
        area.draw(&PathElement::new([(end, middle - 4), (end, middle + 4)], BLACK))?;
    }
    text(area, &number(figure), (at(high) + 8, top + 2), 15)
}

fn colour(contender: &str) -> RGBColor {
    if contender.starts_with("nanolith") {
        OURS
    } else if contender.starts_with("limit") {
        LIMIT
    } else {
        PEER
    }
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), size: u32) -> Outcome {
    area.draw(&Text::new(text.to_owned(), at, ("sans-serif", size).into_font()))?;
    Ok(())
}
