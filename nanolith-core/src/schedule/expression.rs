//! [`read`]: parses and checks a cron expression, field by field, before `croner` gets it.
//!
//! `croner` misreads some texts: a name in a field without names, a missing item, any text after a
//! `W`. So this module reads the expression first and passes only numbers to `croner`.

use super::occurrences::matches_day;
use jiff::civil::Date;
use std::{error::Error, fmt};

/// The reason why a text is not a cron expression.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExpressionError(String);

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ExpressionError {}

type Read<T> = Result<T, ExpressionError>;

fn fail<T>(reason: String) -> Read<T> {
    Err(ExpressionError(reason))
}

/// Reads an expression that matches at least one moment.
pub(super) fn read(text: &str) -> Read<croner::Cron> {
    let parsed = to_numbers(&text.to_ascii_uppercase())?.parse::<croner::Cron>();
    let cron = parsed.or_else(|error| fail(error.to_string()))?;
    if ever_fires(&cron.pattern) { Ok(cron) } else { fail("it never fires".to_owned()) }
}

/// The forms that a field allows beside values, ranges, lists and steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forms {
    Plain,
    /// `?`, `L`, `LW` and `15W`.
    Day,
    /// `?`, `5L`, `5#2`, and `+` before the whole field.
    Weekday,
    /// A step needs a range, because it would otherwise count from the year 1.
    Year,
}

/// One of the seven fields.
struct Field {
    name: &'static str,
    least: u16,
    most: u16,
    forms: Forms,
    /// The first named value, and the names of the values from it on.
    names: (u16, &'static [&'static str]),
}

const fn plain(name: &'static str, least: u16, most: u16) -> Field {
    Field { name, least, most, forms: Forms::Plain, names: (0, &[]) }
}

const FIELDS: [Field; 7] = [
    plain("second", 0, 59),
    plain("minute", 0, 59),
    plain("hour", 0, 23),
    Field { forms: Forms::Day, ..plain("day of the month", 1, 31) },
    Field { names: (1, &MONTHS), ..plain("month", 1, 12) },
    Field { names: (0, &WEEKDAYS), forms: Forms::Weekday, ..plain("day of the week", 0, 7) },
    Field { forms: Forms::Year, ..plain("year", 1970, 5000) },
];

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const NICKNAMES: [(&str, &str); 6] = [
    ("@YEARLY", "0 0 1 1 *"),
    ("@ANNUALLY", "0 0 1 1 *"),
    ("@MONTHLY", "0 0 1 * *"),
    ("@WEEKLY", "0 0 * * 0"),
    ("@DAILY", "0 0 * * *"),
    ("@HOURLY", "0 * * * *"),
];

/// Returns the expression with numbers in place of names.
fn to_numbers(text: &str) -> Read<String> {
    if let Some((_, expression)) = NICKNAMES.iter().find(|(name, _)| *name == text.trim_ascii()) {
        return Ok((*expression).to_owned());
    }
    let parts: Vec<_> = text.split_ascii_whitespace().collect();
    let fields = match parts.len() {
        5 => &FIELDS[1..6],
        6 => &FIELDS[..6],
        7 => &FIELDS[..],
        count => return fail(format!("it has {count} fields, not 5, 6 or 7")),
    };
    let read = fields.iter().zip(parts).map(|(field, part)| field.read(part));
    Ok(read.collect::<Read<Vec<_>>>()?.join(" "))
}

impl Field {
    fn read(&self, text: &str) -> Read<String> {
        let has_wildcard = matches!(self.forms, Forms::Day | Forms::Weekday);
        if text == "*" || text == "?" && has_wildcard {
            return Ok("*".to_owned());
        }
        let (both, list) = match text.strip_prefix('+') {
            Some(list) if self.forms == Forms::Weekday => ("+", list),
            _ => ("", text),
        };
        let items = list.split(',').map(|item| self.item(item)).collect::<Read<Vec<_>>>()?;
        let has = |form: &str| items.iter().any(|item| item == form);
        if self.forms == Forms::Day && has("L") && has("LW") {
            return fail(format!("`{text}` has both the last day and the last weekday of the month"));
        }
        Ok(format!("{both}{}", items.join(",")))
    }

    fn item(&self, item: &str) -> Read<String> {
        if let Some((range, step)) = item.split_once('/') {
            return self.stepped(item, range, step);
        }
        if let Some((first, last)) = item.split_once('-') {
            return self.range(item, first, last).map(|(first, last)| format!("{first}-{last}"));
        }
        match self.forms {
            Forms::Day => self.day(item),
            Forms::Weekday => self.weekday(item),
            Forms::Plain | Forms::Year => self.value(item).map(|value| value.to_string()),
        }
    }

    fn day(&self, item: &str) -> Read<String> {
        match item.strip_suffix('W') {
            _ if item == "L" || item == "LW" => Ok(item.to_owned()),
            Some(day) => self.value(day).map(|day| format!("{day}W")),
            None => self.value(item).map(|day| day.to_string()),
        }
    }

    fn weekday(&self, item: &str) -> Read<String> {
        if let Some(day) = item.strip_suffix("#L").or_else(|| item.strip_suffix('L')) {
            return self.value(day).map(|day| format!("{day}#L"));
        }
        match item.split_once('#') {
            Some((day, nth @ ("1" | "2" | "3" | "4" | "5"))) => self.value(day).map(|day| format!("{day}#{nth}")),
            Some(_) => fail(format!("`{item}` is no {}", self.name)),
            None => self.value(item).map(|day| day.to_string()),
        }
    }

    fn stepped(&self, item: &str, range: &str, step: &str) -> Read<String> {
        let (first, last) = match (range, self.forms) {
            ("*", Forms::Year) => return fail(format!("`{item}` has a step without a first year")),
            ("*", Forms::Weekday) => (0, 6),
            ("*", _) => (self.least, self.most),
            _ => match range.split_once('-') {
                Some((first, last)) => self.range(item, first, last)?,
                None => return fail(format!("`{item}` has a step without a range")),
            },
        };
        let values = last - first + 1;
        match number(step) {
            Some(step) if (1..=values).contains(&step) => Ok(format!("{first}-{last}/{step}")),
            Some(0) => fail(format!("`{item}` has a step of zero")),
            Some(_) => fail(format!("`{item}` has a step that is longer than its range")),
            None => fail(format!("`{item}` has a step that is no number")),
        }
    }

    fn range(&self, item: &str, first: &str, last: &str) -> Read<(u16, u16)> {
        let (from, until) = (self.value(first)?, self.value(last)?);
        // A week counted by names may also end with a Sunday.
        let until = if from > 0 && last == "SUN" { 7 } else { until };
        if from <= until { Ok((from, until)) } else { fail(format!("the range `{item}` runs backwards")) }
    }

    fn value(&self, text: &str) -> Read<u16> {
        let (first, names) = self.names;
        let by_name = (first..).zip(names).find(|(_, name)| **name == text).map(|(value, _)| value);
        let value = by_name.or_else(|| number(text)).filter(|value| (self.least..=self.most).contains(value));
        value.map_or_else(|| fail(format!("`{text}` is no {}", self.name)), Ok)
    }
}

/// Parses a number that consists of digits only.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Returns whether any day matches the expression. Years with the same length and the same first
/// weekday are checked once.
fn ever_fires(pattern: &croner::CronPattern) -> bool {
    let mut seen = Vec::new();
    pattern.years.values().into_iter().any(|year| {
        let Some(first) = i16::try_from(year).ok().and_then(|year| Date::new(year, 1, 1).ok()) else { return false };
        let kind = (first.in_leap_year(), first.weekday());
        if seen.contains(&kind) {
            return false;
        }
        seen.push(kind);
        first
            .series(jiff::Span::new().days(1))
            .take_while(|day| day.year() == first.year())
            .any(|day| matches_day(pattern, day))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn names_and_forms_become_numbers() {
        for (text, numbers) in [
            ("*/15 9-17 * Jan,mar-MAY Mon-fri", "0-59/15 9-17 * 1,3-5 1-5"),
            ("0 0 ? * 5L", "0 0 * * 5#L"),
            ("0 0 L,15W * *", "0 0 L,15W * *"),
            ("0 0 LW * ?", "0 0 LW * *"),
            ("0 0 * * FRI-SUN", "0 0 * * 5-7"),
            ("0 0 * * SUN-SUN,sat#2", "0 0 * * 0-0,6#2"),
            ("0 0 13 * +FRI", "0 0 13 * +5"),
            ("0 30 9 1 1 ? 2030-2040/5", "0 30 9 1 1 * 2030-2040/5"),
            (" @Daily ", "0 0 * * *"),
            ("00 007 * * */2", "0 7 * * 0-6/2"),
        ] {
            assert_eq!(to_numbers(&text.to_ascii_uppercase()), Ok(numbers.to_owned()), "{text}");
        }
    }

    #[test]
    fn name_in_a_field_without_it_is_refused() {
        assert_eq!(reason("MON * * * *"), "`MON` is no minute");
        assert_eq!(reason("0 0 JAN * *"), "`JAN` is no day of the month");
        assert_eq!(reason("0 0 * MON *"), "`MON` is no month");
        assert_eq!(reason("0 0 * * JAN"), "`JAN` is no day of the week");
        for run_together in ["0 0 * JANFEB *", "0 0 * * SUNMON", "0 0 * 1JAN *", "0 0 * * MON2", "0 0 * * MONDAY"] {
            reason(run_together);
        }
    }

    #[test]
    fn missing_item_is_refused() {
        for text in ["0,, * * * *", ",5 * * * *", "5, * * * *", ", * * * *", "- * * * *", "5- * * * *", "0 0 * * +"] {
            reason(text);
        }
    }

    #[test]
    fn form_that_another_rule_would_hide_is_refused() {
        for text in [
            "0 0 15W3 * *",
            "0 0 15W* * *",
            "0 0 LW5 * *",
            "0 0 W * *",
            "0 0 1-5W * *",
            "0 0 L-3 * *",
            "0 0 15L * *",
            "0 0 * * 5#1L",
            "0 0 * * 5##L",
            "0 0 * * 5#6",
            "0 0 * * 5#",
            "0 0 * * #2",
            "0 0 * * L",
            "0 0 15 * L",
            "0 0 * * 1-5#2",
            "0 0 * * */2#3",
            "0 0 * * +*",
            "0 0 * * +?",
            "0 0 +5 * *",
            "0 0 ?/2 * *",
            "0 0 1? * *",
            "? * * * *",
            "0 0 * ? *",
            "*,5 * * * *",
            "+5 * * * *",
            "0 0 * * 8",
        ] {
            reason(text);
        }
        assert_eq!(reason("0 0 L,LW * *"), "`L,LW` has both the last day and the last weekday of the month");
    }

    #[test]
    fn step_that_leaves_only_the_first_value_is_refused() {
        for text in ["*/61 * * * *", "*/90 * * * *", "0 */25 * * *", "0-10/12 * * * *"] {
            assert!(reason(text).ends_with("has a step that is longer than its range"), "{text}");
        }
        assert_eq!(reason("*/0 * * * *"), "`*/0` has a step of zero");
        assert_eq!(reason("5/10 * * * *"), "`5/10` has a step without a range");
        assert_eq!(reason("/10 * * * *"), "`/10` has a step without a range");
        assert_eq!(reason("0 0 0 1 1 * */4"), "`*/4` has a step without a first year");
        assert!(read("*/60 */24 * * *").is_ok(), "once a day");
    }

    #[test]
    fn other_texts_are_refused() {
        assert_eq!(reason("0 0 * * FRI-MON"), "the range `FRI-MON` runs backwards");
        assert_eq!(reason("@reboot"), "it has 1 fields, not 5, 6 or 7");
        assert_eq!(reason("0 0 0 1 1 * 24"), "`24` is no year");
        assert_eq!(reason("0 0 * * \u{17f}un"), "`\u{17f}UN` is no day of the week", "which is a `SUN` in capitals");
    }

    #[test]
    fn expression_that_never_fires_is_refused() {
        let never = ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 0 29 2 ? 2025", "0 0 0 29 2 ? 2100", "0 0 31W 6 *"];
        for text in never {
            assert_eq!(reason(text), "it never fires", "{text}");
        }
        // The 29th of February is a Monday in 2044. The 30th of February is not a day, but there
        // are Mondays.
        for text in ["0 0 29 2 *", "0 0 29 2 +MON", "0 0 30 2 MON", "0 0 0 29 2 ? 2096-2104", "0 0 * 2 MON#5"] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
