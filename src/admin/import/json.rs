//! Users as JSON: an array of objects, an object that holds one, or an object a line.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use crate::admin::import::columns::{Value, choose};
use crate::admin::import::{Chosen, Fault, LONGEST_RECORD, Lines, Reading, Unreadable};

/// An object and the line it begins in.
pub(super) type Object = (usize, Map<String, Json>);

/// Reads the objects, each of which is a user.
pub(super) fn read(text: &str, chosen: &Chosen) -> Result<Reading, Unreadable> {
    let (objects, faults) = objects(text)?;
    let mut reading = users(objects, chosen)?;
    reading.faults.extend(faults);
    Ok(reading)
}

/// The users that these objects are.
pub(super) fn users(objects: Vec<Object>, chosen: &Chosen) -> Result<Reading, Unreadable> {
    let header = members(&objects);
    let columns = choose(&header, chosen)?;
    let mut reading = columns.reading(&header);
    for (place, mut object) in objects {
        let value = |name: &String| object.remove(name).map(value).unwrap_or_default();
        let values: Vec<Value> = header.iter().map(value).collect();
        match columns.record(place, &values) {
            Ok(record) => reading.records.push(record),
            Err(fault) => reading.faults.push(fault),
        }
    }
    Ok(reading)
}

/// All objects of the text, and what stands in the place of one and is none.
pub(super) fn objects(text: &str) -> Result<(Vec<Object>, Vec<Fault>), Unreadable> {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    let mut lines = Lines::of(text);
    for raw in items(text)? {
        let place = lines.at(offset(text, raw));
        if raw.get().len() > LONGEST_RECORD {
            let what = "this is too long for one user".to_owned();
            faults.push(Fault { place, what });
        } else if let Ok(object) = serde_json::from_str(raw.get()) {
            found.push((place, object));
        } else {
            let what = "this is not an object".to_owned();
            faults.push(Fault { place, what });
        }
    }
    Ok((found, faults))
}

fn items(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|error| malformed(&error));
    }
    let stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let all: Result<Vec<&RawValue>, _> = stream.collect();
    let all = all.map_err(|error| malformed(&error))?;
    match all.as_slice() {
        [] => Err(Unreadable::Unclear("the file is empty".to_owned())),
        [one] => Ok(list_within(one).unwrap_or(all)),
        _ => Ok(all),
    }
}

/// The objects of the only list of objects in this one, as in `{"users": […]}`.
fn list_within(object: &RawValue) -> Option<Vec<&RawValue>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).ok()?;
    let lists = members.values().filter_map(|member| {
        let list: Vec<&RawValue> = serde_json::from_str(member.get()).ok()?;
        let is_of_objects = list.first()?.get().starts_with('{');
        is_of_objects.then_some(list)
    });
    let mut lists: Vec<Vec<&RawValue>> = lists.collect();
    if lists.len() == 1 { lists.pop() } else { None }
}

/// The parser's words on syntax hold nothing of the file.
fn malformed(error: &serde_json::Error) -> Unreadable {
    let what = if error.is_eof() {
        "the file ends in the middle of its JSON"
    } else {
        "this is not JSON"
    };
    Unreadable::Line {
        line: error.line(),
        what: format!("{what} (column {})", error.column()),
    }
}

/// Where in `text` this part of it begins.
fn offset(text: &str, part: &RawValue) -> usize {
    (part.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Every name that a member has, in the order of their first appearance.
fn members(objects: &[Object]) -> Vec<String> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (_, object) in objects {
        for name in object.keys() {
            let next = places.len();
            places.entry(name).or_insert(next);
        }
    }
    let mut names: Vec<(&str, usize)> = places.into_iter().collect();
    names.sort_unstable_by_key(|(_, place)| *place);
    names.iter().map(|(name, _)| (*name).to_owned()).collect()
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Nothing,
        Json::Array(items) => Value::List(items.into_iter().filter_map(named).collect()),
        object @ Json::Object(_) => Value::Object(named(object)),
        other => named(other).map_or(Value::Nothing, Value::Text),
    }
}

/// A text, a number, a truth, or the name of what is an object.
fn named(json: Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Object(mut object) => named(object.remove("name")?),
        Json::Null | Json::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        match read(text, &Vec::new()) {
            Ok(reading) => {
                let records = reading.records.iter().map(|record| {
                    let groups = record.groups.clone().unwrap_or_default().join("+");
                    let said = record.said;
                    let (place, name) = (record.place, &record.name);
                    format!("{place} {name} {groups} {said:?}")
                });
                let faults = reading.faults.iter();
                let faults = faults.map(|fault| format!("{}: {}", fault.place, fault.what));
                records.chain(faults).collect()
            }
            Err(error) => vec![format!("{:?}: {error}", error.line())],
        }
    }

    #[test]
    fn objects_are_read_from_lists_and_lines() {
        for (text, expected) in [
            (
                "[\n {\"username\": \"ada\", \"active\": true, \"groups\": [\"ops\", {\"name\": \"dev\"}]},\n {\"username\": \"bob\", \"active\": 0}\n]",
                &["2 ada ops+dev Active", "3 bob  Disabled"][..],
            ),
            (
                "{\"login\": \"ada\"}\n\n{\"login\": 7}\n{\"x\": 1}\n",
                &["1 ada  Nothing", "3 7  Nothing", "4: it has no user name"],
            ),
            (
                "{\"count\": 1, \"users\":\n [{\"username\": \"ada\"}]}",
                &["2 ada  Nothing"],
            ),
            (
                "{\"username\": \"ada\", \"groups\": [\"ops\"]}",
                &["1 ada ops Nothing"],
            ),
            (
                "[{\"username\": \"ada\"}, \"hunter2\"]",
                &["1 ada  Nothing", "1: this is not an object"],
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn only_null_and_an_absent_member_say_that_nobody_is_shut_out() {
        for (member, expected) in [
            ("", "1 ada  Active"),
            (", \"banned\": null", "1 ada  Active"),
            (", \"banned\": true", "1 ada  Disabled"),
        ] {
            let text = format!("[{{\"username\": \"ada\", \"active\": true{member}}}]");
            assert_eq!(told(&text), [expected], "{text}");
        }
        for block in [
            "{\"until\": \"2030\"}",
            "{\"name\": \"no\"}",
            "{}",
            "[\"spam\"]",
            "[]",
            "[null]",
            "\"since 2020\"",
        ] {
            for flag in ["banned", "is_active"] {
                let text =
                    format!("[{{\"username\": \"ada\", \"active\": true, \"{flag}\": {block}}}]");
                let told = told(&text).join("\n");
                assert!(told.starts_with("1: what "), "{text}: {told}");
                assert!(told.contains("neither true nor false"), "{told}");
            }
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_line_and_without_its_text() {
        for (text, line) in [
            ("[\n{\"username\": hunter2}]", "Some(2)"),
            ("[{\"username\": \"hunter2\"", "Some(1)"),
            ("{\"username\": \"ada\"}\nhunter2\n", "Some(2)"),
        ] {
            let told = told(text).join("\n");
            assert!(told.starts_with(line), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
