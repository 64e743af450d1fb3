//! A table of options on its way to settings: each is taken by name, and what is left is unknown.

use std::collections::BTreeMap;

use super::problem::{Complaint, Place, Problem, nearest};
use super::read::{Node, Table, Value};
use super::value::{items, table};

/// One section of the file.
pub(super) struct Section<'p> {
    path: String,
    place: Place,
    table: Table,
    /// The options asked for so far, with the place of those that were given.
    asked: BTreeMap<&'static str, Option<Place>>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Section<'p> {
    /// The whole file.
    pub(super) fn root(table: Table, problems: &'p mut Vec<Problem>) -> Self {
        Self {
            path: String::new(),
            place: Place::File,
            table,
            asked: BTreeMap::new(),
            problems,
        }
    }

    /// The section called `key`; empty where it is not given.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'_> {
        let node = self.take(key);
        let path = self.path_of(key);
        self.inner(path, node)
    }

    /// The sections called `[[key]]`, one after the other. Says how many there are; `None` where it
    /// is something else.
    pub(super) fn for_each(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Section<'_>),
    ) -> Option<usize> {
        let Some(node) = self.take(key) else {
            return Some(0);
        };
        let list = self.check(key, list(node.value, key))?;
        let count = list.len();
        for (index, node) in list.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            read(self.inner(path, Some(node)));
        }
        Some(count)
    }

    fn inner(&mut self, path: String, node: Option<Node>) -> Section<'_> {
        let place = node.as_ref().map_or(Place::File, |node| node.place.clone());
        let options = match node.map(table).transpose() {
            Ok(options) => options.unwrap_or_default(),
            Err(complaint) => {
                self.problems.push(Problem {
                    place: place.clone(),
                    key: path.clone(),
                    complaint,
                });
                Table::new()
            }
        };
        Section {
            path,
            place,
            table: options,
            asked: BTreeMap::new(),
            problems: self.problems,
        }
    }

    /// The option called `key`, or its default where it is not given or wrong.
    pub(super) fn option<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Node) -> Result<T, Complaint>,
    ) -> T {
        self.given(key, read).unwrap_or(default)
    }

    /// The option called `key`; `None` where it is not given or wrong.
    pub(super) fn given<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, Complaint>,
    ) -> Option<T> {
        let node = self.take(key)?;
        self.check(key, read(&node))
    }

    /// The option called `key`, read from a default text where it is not given; `None` where it is
    /// wrong.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: &str,
        read: impl FnOnce(&Node) -> Result<T, Complaint>,
    ) -> Option<T> {
        let node = self.take(key).unwrap_or_else(|| Node::text(default));
        self.check(key, read(&node))
    }

    /// An option that takes one value or a list of them, read from default texts where it is not
    /// given; `None` where anything in it is wrong.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: &[&str],
        read: impl Fn(&Node) -> Result<T, Complaint>,
    ) -> Option<Vec<T>> {
        let items = match self.take(key) {
            Some(node) => items(node),
            None => default.iter().map(|text| Node::text(text)).collect(),
        };
        let count = items.len();
        let mut values = Vec::with_capacity(count);
        for item in items {
            match read(&item) {
                Ok(value) => values.push(value),
                Err(complaint) => self.problems.push(Problem {
                    place: item.place,
                    key: self.path_of(key),
                    complaint,
                }),
            }
        }
        (values.len() == count).then_some(values)
    }

    fn check<T>(&mut self, key: &'static str, value: Result<T, Complaint>) -> Option<T> {
        value.map_err(|complaint| self.refuse(key, complaint)).ok()
    }

    /// Everything in a section whose keys are free, such as names of headers.
    pub(super) fn entries<T>(
        self,
        mut read: impl FnMut(&str, &Node) -> Result<T, Complaint>,
    ) -> Vec<T> {
        let mut values = Vec::new();
        for (key, node) in self.table {
            match read(&key, &node) {
                Ok(value) => values.push(value),
                Err(complaint) => self.problems.push(Problem {
                    place: node.place,
                    key: join(&self.path, &key),
                    complaint,
                }),
            }
        }
        values
    }

    /// Whether the option called `key` is given as a table. Only before it is taken.
    pub(super) fn holds_table(&self, key: &str) -> bool {
        let node = self.table.get(key);
        node.is_some_and(|node| matches!(node.value, Value::Table(_)))
    }

    /// Notes that something is wrong with the option called `key`.
    pub(super) fn refuse(&mut self, key: &'static str, complaint: Complaint) {
        let given = self.asked.get(key).and_then(Option::as_ref);
        let place = given.unwrap_or(&self.place).clone();
        let key = self.path_of(key);
        self.problems.push(Problem {
            place,
            key,
            complaint,
        });
    }

    /// Whether the option called `key` was asked for and is given.
    pub(super) fn was_given(&self, key: &str) -> bool {
        self.asked.get(key).is_some_and(Option::is_some)
    }

    /// Ends the reading: whatever nobody asked for is unknown.
    pub(super) fn finish(self) {
        let known: Vec<&str> = self.asked.keys().copied().collect();
        for (key, node) in &self.table {
            let hint = match nearest(&key.to_ascii_lowercase(), &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.problems.push(Problem {
                place: node.place.clone(),
                key: join(&self.path, key),
                complaint: Complaint::new("there is no such option").hint(hint),
            });
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        let node = self.table.remove(key);
        self.asked
            .insert(key, node.as_ref().map(|node| node.place.clone()));
        node
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn list(value: Value, key: &str) -> Result<Vec<Node>, Complaint> {
    match value {
        Value::List(list) => Ok(list),
        _ => Err(Complaint::new("this is not a list of sections")
            .hint(format!("write each of them below a line [[{key}]]"))),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    /// The reader of each section says itself what it knows.
    #[test]
    fn the_shipped_file_names_every_option() {
        let shipped = include_str!("../../config.toml");
        let sections = "server.tls server.limits observe.access_log observe.audit_log observe.traces \
                    server storage tokens sessions login passwords cookies csrf cors headers pages observe";
        let sections = sections.split(' ').map(|name| format!("[{name}]"));
        let others = ["[[routes]]".to_owned(), String::new()];
        for section in sections.chain(others) {
            let told = parse(&format!("{section}\nnowhere-known = 1"), Path::new(""));
            let told = told.unwrap_err().to_string();
            let (_, known) = told.split_once("known here: ").expect("a hint");
            for option in known.lines().next().unwrap().split(", ") {
                let inner = match &*section {
                    "" => format!("[{option}]"),
                    section => section.replace(']', &format!(".{option}]")),
                };
                let is_named = shipped.lines().any(|line| {
                    let line = line.trim_start_matches("# ");
                    line.starts_with(&format!("{option} = "))
                        || line
                            .trim_start_matches('[')
                            .starts_with(inner.trim_start_matches('['))
                });
                assert!(is_named, "{section} {option}");
            }
        }
    }
}
