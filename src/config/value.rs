//! How single values are written: texts, numbers, durations such as `"5m"`, sizes such as `"64KiB"`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::problem::Complaint;
use super::read::{Node, Table, Value};

/// A text.
pub(super) fn text(node: &Node) -> Result<&str, Complaint> {
    match &node.value {
        Value::Text(text) => Ok(text),
        other => Err(wrong_kind(other, "a text in quotes")),
    }
}

/// `true` or `false`.
pub(super) fn flag(node: &Node) -> Result<bool, Complaint> {
    match &node.value {
        Value::Flag(flag) => Ok(*flag),
        other => Err(wrong_kind(other, "true or false, without quotes")),
    }
}

/// One of some words, each standing for a value.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Node) -> Result<T, Complaint> {
    move |node| {
        let word = text(node)?;
        let chosen = words.iter().find(|(known, _)| *known == word);
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<String> = words
                .iter()
                .map(|(known, _)| format!("{known:?}"))
                .collect();
            Complaint::new(format!("{word:?} is not known here"))
                .hint(format!("write {}", known.join(" or ")))
        })
    }
}

/// A whole number within bounds.
pub(super) fn number(bounds: RangeInclusive<usize>) -> impl Fn(&Node) -> Result<usize, Complaint> {
    move |node| {
        let Value::Integer(number) = &node.value else {
            return Err(wrong_kind(&node.value, "a whole number, without quotes"));
        };
        usize::try_from(*number)
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                Complaint::new(format!("{number} is out of bounds")).hint(format!(
                    "allowed: {} to {}",
                    bounds.start(),
                    bounds.end()
                ))
            })
    }
}

/// A duration within bounds: a whole number of `ms`, `s`, `m`, `h` or `d`.
pub(super) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&Node) -> Result<Duration, Complaint> {
    move |node| {
        let unreadable = "a whole number and a unit in quotes, such as \"500ms\", \"30s\", \"5m\", \"1h\" or \"14d\"";
        let Value::Text(text) = &node.value else {
            return Err(wrong_kind(&node.value, unreadable));
        };
        let duration = parse_duration(text).ok_or_else(|| {
            Complaint::new(format!("{text:?} is not a duration"))
                .hint(format!("write {unreadable}"))
        })?;
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (written(*bounds.start()), written(*bounds.end()));
        Err(Complaint::new(format!("{text:?} is out of bounds"))
            .hint(format!("allowed: {least} to {most}")))
    }
}

/// A number of bytes within bounds: a whole number of `B`, `KiB`, `MiB` or `GiB`.
pub(super) fn size(bounds: RangeInclusive<usize>) -> impl Fn(&Node) -> Result<usize, Complaint> {
    move |node| {
        let unreadable =
            "a whole number and a unit in quotes, such as \"512B\", \"64KiB\" or \"1MiB\"";
        let Value::Text(text) = &node.value else {
            return Err(wrong_kind(&node.value, unreadable));
        };
        let size = parse_size(text).ok_or_else(|| {
            Complaint::new(format!("{text:?} is not a size")).hint(format!("write {unreadable}"))
        })?;
        if bounds.contains(&size) {
            return Ok(size);
        }
        Err(
            Complaint::new(format!("{text:?} is out of bounds")).hint(format!(
                "allowed: {}KiB to {}KiB",
                bounds.start() / 1024,
                bounds.end() / 1024
            )),
        )
    }
}

/// The values of an option that takes one or a list of them.
pub(super) fn items(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        _ => vec![node],
    }
}

/// A table.
pub(super) fn table(node: Node) -> Result<Table, Complaint> {
    match node.value {
        Value::Table(table) => Ok(table),
        other => Err(wrong_kind(&other, "a section")),
    }
}

/// Says that a value is of the wrong kind.
pub(super) fn wrong_kind(value: &Value, wanted: &str) -> Complaint {
    let kind = match value {
        Value::Text(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Fraction(_) => "a number with a point",
        Value::Flag(_) => "true or false",
        Value::List(_) => "a list",
        Value::Table(_) => "a section",
        Value::Other(kind) => kind,
    };
    Complaint::new(format!("this is {kind}")).hint(format!("write {wanted}"))
}

/// A duration as this file's reader would write it, in the largest unit that fits.
pub(crate) fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    UNITS
        .iter()
        .rev()
        .find(|(_, unit)| millis != 0 && millis.is_multiple_of(u128::from(*unit)))
        .map_or_else(
            || "0s".to_owned(),
            |(name, unit)| format!("{}{name}", millis / u128::from(*unit)),
        )
}

/// Units of time in milliseconds, from the smallest up.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
];

/// A whole number of `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, name) = split_unit(text)?;
    let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
    number.checked_mul(*unit).map(Duration::from_millis)
}

fn parse_size(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text)?;
    let unit = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(unit)?).ok()
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("1 h", Some(3_600_000)),
            ("14d", Some(14 * 86_400_000)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("m", None),
            ("-5m", None),
            ("1.5h", None),
            ("5 minutes", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(
                parse_duration(text),
                millis.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }

    #[test]
    fn durations_are_written_in_the_largest_unit_that_fits() {
        for text in ["500ms", "90s", "5m", "1h", "14d", "0s"] {
            assert_eq!(written(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_have_a_number_and_a_unit() {
        for (text, bytes) in [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("1 MiB", Some(1_048_576)),
            ("64KB", None),
            ("64", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }
}
