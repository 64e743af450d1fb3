//! The file with the environment laid over it, every value with the place it came from.

use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::de::{DeTable, DeValue};

use super::problem::{Complaint, Place, Problem};

/// Options by name.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

impl Node {
    /// A text that nobody wrote: a default.
    pub(super) fn text(text: &str) -> Self {
        Self {
            place: Place::File,
            value: Value::Text(text.to_owned()),
        }
    }
}

/// What TOML can say, as far as an option can be made of it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Fraction(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(Table),
    /// Something no option takes; says what it is.
    Other(&'static str),
}

/// Reads the file and lays over it what the environment says. What is wrong with the environment is
/// added to `problems`; a file that is not TOML is one problem and ends the reading.
pub(super) fn read(
    text: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> Result<Table, Problem> {
    let lines = Lines(text);
    let document = DeTable::parse(text).map_err(|error| Problem {
        place: lines.place(error.span().map_or(0, |span| span.start)),
        key: String::new(),
        complaint: Complaint::new(format!("this is not TOML: {}", error.message())),
    })?;
    let mut root = Node {
        place: Place::File,
        value: Value::Table(lines.table(document.into_inner())),
    };
    for option in options(environment, problems) {
        let key = option.key();
        if let Err(complaint) = put(&mut root, &option.path, option.node.clone()) {
            problems.push(Problem {
                place: option.node.place,
                key,
                complaint,
            });
        }
    }
    match root.value {
        Value::Table(table) => Ok(table),
        _ => Ok(Table::new()),
    }
}

/// Finds the line of a place in the text.
struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.0.bytes().take(offset);
        Place::Line(1 + before.filter(|byte| *byte == b'\n').count())
    }

    fn table(&self, table: DeTable<'_>) -> Table {
        table
            .into_iter()
            .map(|(key, value)| {
                let node = Node {
                    place: self.place(key.span().start),
                    value: self.value(value.into_inner()),
                };
                (key.into_inner().into_owned(), node)
            })
            .collect()
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number out of range"), Value::Integer),
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map_or(Value::Other("a number out of range"), Value::Fraction),
            DeValue::Boolean(flag) => Value::Flag(flag),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| Node {
                        place: self.place(item.span().start),
                        value: self.value(item.into_inner()),
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

/// An option from the environment.
struct FromEnvironment {
    path: Vec<Step>,
    node: Node,
}

/// One step on the way to an option. Places in lists are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

impl FromEnvironment {
    fn key(&self) -> String {
        let mut key = String::new();
        for step in &self.path {
            match step {
                Step::Index(index) => key.push_str(&format!("[{index}]")),
                Step::Key(name) if key.is_empty() => key.push_str(name),
                Step::Key(name) => key.push_str(&format!(".{name}")),
            }
        }
        key
    }
}

/// The variables that are options, in an order in which lists grow from their start.
fn options(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<Problem>,
) -> Vec<FromEnvironment> {
    let mut options = Vec::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else {
            continue;
        };
        let Some(path) = path(&name) else {
            continue;
        };
        let place = Place::Environment(name);
        let value = match value.into_string() {
            Ok(text) => value_of(&text, &place),
            Err(_) => {
                problems.push(Problem {
                    place,
                    key: String::new(),
                    complaint: Complaint::new("the value is not UTF-8"),
                });
                continue;
            }
        };
        let node = Node { place, value };
        options.push(FromEnvironment { path, node });
    }
    options.sort_by(|a, b| a.path.cmp(&b.path));
    options
}

/// `VESTIBULE_ROUTES__0__PATH` is `routes`, 0, `path`; `VESTIBULE__PROFILE` is `profile`. `None`: the name is not that of an option.
fn path(name: &str) -> Option<Vec<Step>> {
    let name = name.strip_prefix("VESTIBULE_")?;
    let (name, is_option) = match name.strip_prefix('_') {
        Some(name) => (name, true),
        None => (name, name.contains("__")),
    };
    is_option.then(|| {
        name.split("__")
            .map(|step| match step.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(step.to_ascii_lowercase()),
            })
            .collect()
    })
}

/// A value as TOML; what is not TOML is a text, so that addresses and paths need no quotes.
fn value_of(text: &str, place: &Place) -> Value {
    let Ok(value) = DeValue::parse(text) else {
        return Value::Text(text.to_owned());
    };
    let mut value = Lines(text).value(value.into_inner());
    move_to(&mut value, place);
    value
}

fn move_to(value: &mut Value, place: &Place) {
    let nodes: &mut dyn Iterator<Item = &mut Node> = match value {
        Value::List(items) => &mut items.iter_mut(),
        Value::Table(table) => &mut table.values_mut(),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Fraction(_)
        | Value::Flag(_)
        | Value::Other(_) => return,
    };
    for node in nodes {
        node.place = place.clone();
        move_to(&mut node.value, place);
    }
}

fn put(node: &mut Node, path: &[Step], leaf: Node) -> Result<(), Complaint> {
    let Some((step, rest)) = path.split_first() else {
        *node = leaf;
        return Ok(());
    };
    let empty = || Node {
        place: leaf.place.clone(),
        value: match rest.first() {
            Some(Step::Index(_)) => Value::List(Vec::new()),
            Some(Step::Key(_)) | None => Value::Table(Table::new()),
        },
    };
    let child = match (step, &mut node.value) {
        (Step::Key(key), Value::Table(table)) => table.entry(key.clone()).or_insert_with(empty),
        (Step::Index(index), Value::List(items)) => {
            if *index == items.len() {
                items.push(empty());
            }
            let count = items.len();
            items.get_mut(*index).ok_or_else(|| {
                Complaint::new(format!("there is no number {index}")).hint(format!(
                    "entries are numbered from 0; the next new one is {count}"
                ))
            })?
        }
        (Step::Key(key), _) => {
            return Err(Complaint::new(format!(
                "there is no option that holds `{key}`"
            )));
        }
        (Step::Index(index), _) => {
            return Err(Complaint::new(format!(
                "there is no list that holds number {index}"
            )));
        }
    };
    put(child, rest, leaf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(text: &str, variables: &[(&str, &str)]) -> (Table, Vec<Problem>) {
        let mut problems = Vec::new();
        let environment = variables.iter().map(|(n, v)| (n.into(), v.into()));
        let table = read(text, environment, &mut problems).unwrap();
        (table, problems)
    }

    fn text_at<'t>(table: &'t Table, path: &[&str]) -> (&'t str, &'t Place) {
        let (last, way) = path.split_last().unwrap();
        let mut table = table;
        for step in way {
            match &table[*step].value {
                Value::Table(inner) => table = inner,
                Value::List(items) => match &items[0].value {
                    Value::Table(inner) => table = inner,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        match &table[*last].value {
            Value::Text(text) => (text, &table[*last].place),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_know_their_lines() {
        let (table, problems) = read_with("# é\n[a]\nb = 'x'\n\n[[c]]\nd = 'y'\n", &[]);
        assert_eq!(text_at(&table, &["a", "b"]), ("x", &Place::Line(3)));
        assert_eq!(text_at(&table, &["c", "d"]), ("y", &Place::Line(6)));
        assert!(problems.is_empty());
        match &table["c"].value {
            Value::List(items) => assert_eq!(items[0].place, Place::Line(5)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn broken_toml_is_one_problem_with_its_line() {
        let problem = read("a = 1\nb = \n", [], &mut Vec::new()).unwrap_err();
        assert_eq!(problem.place, Place::Line(2));
        assert!(problem.complaint.message.starts_with("this is not TOML: "));
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let (table, problems) = read_with(
            "[a]\nb = 'file'\n",
            &[
                ("VESTIBULE_A__B", "127.0.0.1:80"),
                ("VESTIBULE_C__0__D", "'quoted'"),
                ("VESTIBULE__E", "top"),
                ("VESTIBULE_CONFIG", "no option"),
                ("OTHER__X", "no option"),
            ],
        );
        assert!(problems.is_empty(), "{problems:?}");
        let from = |name: &str| Place::Environment(name.to_owned());
        assert_eq!(
            text_at(&table, &["a", "b"]),
            ("127.0.0.1:80", &from("VESTIBULE_A__B"))
        );
        assert_eq!(
            text_at(&table, &["c", "d"]),
            ("quoted", &from("VESTIBULE_C__0__D"))
        );
        assert_eq!(text_at(&table, &["e"]), ("top", &from("VESTIBULE__E")));
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn lists_grow_from_the_environment_in_the_order_of_their_numbers() {
        let names: Vec<String> = (0..12).map(|i| format!("VESTIBULE_A__{i}")).collect();
        let variables: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "'x'")).collect();
        let (table, problems) = read_with("", &variables);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(matches!(&table["a"].value, Value::List(items) if items.len() == 12));
    }

    #[test]
    fn a_variable_that_fits_nowhere_is_a_problem() {
        for (name, key) in [
            ("VESTIBULE_A__B__C", "a.b.c"),
            ("VESTIBULE_A__0", "a[0]"),
            ("VESTIBULE_L__2", "l[2]"),
            ("VESTIBULE_L__X", "l.x"),
        ] {
            let (_, problems) = read_with("l = ['x']\n[a]\nb = 'x'\n", &[(name, "1")]);
            let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
            assert_eq!(keys, [key]);
        }
    }
}
