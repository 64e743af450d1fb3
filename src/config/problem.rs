//! What is wrong with a configuration: where, what, and the way out.

use std::fmt;

/// Where an option was given. The order is that of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole: something is missing.
    File,
    /// A line of the file, counted from 1.
    Line(usize),
    /// A variable of the environment.
    Environment(String),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which option, such as `routes[0].upstream`; empty where no option is meant.
    pub key: String,
    /// What is wrong, and what to do instead.
    pub complaint: Complaint,
}

/// What is wrong with a value, by whoever read it and does not know where it came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

impl Complaint {
    /// Something is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The same, with what to do instead.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// Everything that is wrong with one configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    problems: Vec<Problem>,
}

impl Problems {
    /// What is wrong with this file.
    pub(super) fn new(file: String, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        Self { file, problems }
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }
}

/// One problem a paragraph, as `file:line: option: what`, then their number.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            match &problem.place {
                Place::File => write!(f, "{}", self.file)?,
                Place::Line(line) => write!(f, "{}:{line}", self.file)?,
                Place::Environment(name) => f.write_str(name)?,
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            writeln!(f, ": {}", problem.complaint.message)?;
            if let Some(hint) = &problem.complaint.hint {
                writeln!(f, "    {hint}")?;
            }
        }
        match self.problems.len() {
            1 => f.write_str("1 problem in ")?,
            count => write!(f, "{count} problems in ")?,
        }
        let is_outside = |problem: &Problem| matches!(problem.place, Place::Environment(_));
        if self.problems.iter().all(is_outside) {
            f.write_str("the environment")
        } else if self.problems.iter().any(is_outside) {
            write!(f, "{} and the environment", self.file)
        } else {
            f.write_str(&self.file)
        }
    }
}

/// The known word that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let furthest = 1 + word.chars().count() / 4;
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= furthest)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, left out or replaced (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_option() {
        let known = ["listen", "upstream", "path", "public_url"];
        for (typed, meant) in [
            ("listn", Some("listen")),
            ("upstrem", Some("upstream")),
            ("public-url", Some("public_url")),
            ("pth", Some("path")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, &known), meant, "{typed}");
        }
    }

    #[test]
    fn distance_counts_single_edits() {
        for (from, to, edits) in [
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("a", "a", 0),
        ] {
            assert_eq!(distance(from, to), edits, "{from} → {to}");
        }
    }

    #[test]
    fn the_report_follows_the_file_and_counts() {
        let problem = |place, key: &str| Problem {
            place,
            key: key.to_owned(),
            complaint: Complaint::new("is wrong").hint("put it right"),
        };
        let report = Problems::new(
            "config.toml".to_owned(),
            vec![
                problem(Place::Environment("VESTIBULE_A__B".to_owned()), "a.b"),
                problem(Place::Line(12), "x"),
                problem(Place::Line(3), "y"),
            ],
        );
        assert_eq!(
            report.to_string(),
            "config.toml:3: y: is wrong\n    put it right\n\
             config.toml:12: x: is wrong\n    put it right\n\
             VESTIBULE_A__B: a.b: is wrong\n    put it right\n\
             3 problems in config.toml and the environment"
        );
    }
}
