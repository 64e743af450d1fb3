//! Users of Apache or nginx: `name:hash` a line, and Apache's file of groups.

use std::collections::HashMap;

use crate::admin::import::{Fault, LONGEST_RECORD, Reading, Record, Said, Unreadable};
use crate::identity::Secret;

/// Reads `name:hash` lines. What nginx allows behind a second colon is a comment.
pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    for (place, line) in lines(text) {
        if line.len() > LONGEST_RECORD {
            let what = "this is too long for one user".to_owned();
            reading.faults.push(Fault { place, what });
            continue;
        }
        let mut parts = line.splitn(3, ':');
        match (parts.next(), parts.next()) {
            (Some(name), Some(hash)) if !name.trim().is_empty() => reading.records.push(Record {
                place,
                name: name.to_owned(),
                password: Some(hash.trim())
                    .filter(|hash| !hash.is_empty())
                    .map(|hash| Secret::new(hash.to_owned())),
                email: None,
                display_name: None,
                groups: None,
                said: Said::Nothing,
            }),
            _ => reading.faults.push(Fault {
                place,
                what: "this is not of the form name:hash".to_owned(),
            }),
        }
    }
    reading
}

/// Adds the groups of Apache's `AuthGroupFile`: `group: name name`. A user who is in none gets none.
pub fn with_groups(reading: &mut Reading, text: &str) -> Result<(), Unreadable> {
    let mut groups: HashMap<&str, Vec<&str>> = HashMap::new();
    for (line, content) in lines(text) {
        let (group, members) = content.split_once(':').ok_or_else(|| Unreadable::Line {
            line,
            what: "this is not of the form group: name name".to_owned(),
        })?;
        for member in members.split_whitespace() {
            groups.entry(member).or_default().push(group.trim());
        }
    }
    for record in &mut reading.records {
        let theirs = groups.get(record.name.trim()).into_iter().flatten();
        record.groups = Some(theirs.map(|group| (*group).to_owned()).collect());
    }
    Ok(())
}

/// The lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines());
    numbered.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_none_of_the_users() {
        let text = "# people\n\nada:$apr1$x$y\r\nbob:{SHA}z=:a comment\n:x\nhunter2\neve:\n";
        let mut reading = read(text);
        let told = reading.records.iter().map(|record| {
            let hash = record.password.as_ref().map(|hash| hash.expose().as_str());
            (record.place, record.name.as_str(), hash)
        });
        let told: Vec<_> = told.collect();
        assert_eq!(
            told,
            [
                (3, "ada", Some("$apr1$x$y")),
                (4, "bob", Some("{SHA}z=")),
                (7, "eve", None)
            ]
        );
        let places: Vec<usize> = reading.faults.iter().map(|fault| fault.place).collect();
        assert_eq!(places, [5, 6]);
        assert!(!reading.faults[1].what.contains("hunter2"));

        with_groups(&mut reading, "# groups\nops: bob  ada\ndev: ada\n").unwrap();
        let groups: Vec<_> = reading
            .records
            .iter()
            .map(|r| r.groups.clone().unwrap())
            .collect();
        assert_eq!(groups, [vec!["ops", "dev"], vec!["ops"], vec![]]);
        let error = with_groups(&mut reading, "ops: ada\n\nada bob\n").unwrap_err();
        assert_eq!(error.line(), Some(3));
    }
}
