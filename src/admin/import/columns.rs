//! Which column, or member of an object, holds which fact about a user, and what its value means?

use crate::admin::import::{Chosen, Fault, Reading, Record, Said, Unreadable};
use crate::identity::Secret;

/// A fact about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What they type to sign in.
    Name,
    /// The hash of the password.
    Password,
    /// The e-mail address.
    Email,
    /// How they are called.
    DisplayName,
    /// The first half of that.
    FirstName,
    /// The second half.
    LastName,
    /// The groups.
    Groups,
    /// Whether they may sign in.
    Active,
    /// Whether they may not.
    Disabled,
}

/// Every field with the names that columns have for it, the likeliest first. `Name` is looked for
/// before `DisplayName`, which takes a `name` that is left.
const FIELDS: [(Field, &[&str]); 9] = [
    (
        Field::Name,
        &[
            "username",
            "user_name",
            "login",
            "login_name",
            "user",
            "name",
        ],
    ),
    (
        Field::Password,
        &[
            "password_hash",
            "passwordhash",
            "hashed_password",
            "pw_hash",
            "password_digest",
            "encrypted_password",
            "password",
            "passwd",
            "hash",
        ],
    ),
    (
        Field::Email,
        &["email", "e_mail", "mail", "email_address", "emailaddress"],
    ),
    (
        Field::DisplayName,
        &[
            "display_name",
            "displayname",
            "full_name",
            "fullname",
            "real_name",
            "name",
        ],
    ),
    (
        Field::FirstName,
        &["first_name", "firstname", "given_name", "givenname"],
    ),
    (
        Field::LastName,
        &["last_name", "lastname", "family_name", "surname"],
    ),
    (
        Field::Groups,
        &["groups", "group", "roles", "role", "group_names"],
    ),
    (
        Field::Active,
        &["active", "is_active", "isactive", "enabled", "is_enabled"],
    ),
    (
        Field::Disabled,
        &[
            "disabled",
            "is_disabled",
            "locked",
            "is_locked",
            "banned",
            "is_banned",
            "blocked",
            "is_blocked",
            "suspended",
            "is_suspended",
            "deactivated",
            "is_deactivated",
            "inactive",
            "is_inactive",
            "deleted",
            "is_deleted",
        ],
    ),
];

impl Field {
    /// What it is called in `--columns`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Password => "password",
            Self::Email => "email",
            Self::DisplayName => "display_name",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Groups => "groups",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// The field of this name.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = FIELDS.iter().map(|(field, _)| *field);
        fields.find(|field| field.as_str() == text)
    }

    /// Whether several columns may say it, each of which counts.
    const fn is_flag(self) -> bool {
        matches!(self, Self::Active | Self::Disabled)
    }
}

/// A value of a file.
#[derive(Clone, Default)]
pub(super) enum Value {
    /// None.
    #[default]
    Nothing,
    /// As text, whatever it was.
    Text(String),
    /// Several.
    List(Vec<String>),
    /// What has members; its name, where it has one.
    Object(Option<String>),
}

/// Which column is what.
pub(super) struct Columns {
    found: Vec<(Field, usize)>,
    header: Vec<String>,
}

/// Finds the columns: those that somebody chose, and the others by their usual names.
pub(super) fn choose(header: &[String], chosen: &Chosen) -> Result<Columns, Unreadable> {
    let mut found = found(header, chosen)?;
    let usual: Vec<String> = header.iter().map(|column| plain(column)).collect();
    for (field, names) in FIELDS {
        if found.iter().any(|(known, _)| *known == field) {
            continue;
        }
        // Where people sign in with their address, it is both.
        let is_free =
            |at: &usize| field == Field::Email || !found.iter().any(|(_, taken)| taken == at);
        let places = names.iter().flat_map(|name| places(&usual, name));
        let most = if field.is_flag() { usize::MAX } else { 1 };
        let places: Vec<usize> = places.filter(is_free).take(most).collect();
        found.extend(places.into_iter().map(|at| (field, at)));
    }
    if found.iter().any(|(field, _)| *field == Field::Name) {
        let header = header.to_vec();
        return Ok(Columns { found, header });
    }
    let address = found.iter().find(|(field, _)| *field == Field::Email);
    let example = address.and_then(|(_, at)| header.get(*at));
    Err(Unreadable::Unclear(format!(
        "what holds the user name? There are {}: say it with --columns name={}",
        listed(header),
        example.map_or("COLUMN", |name| name_or_dots(name))
    )))
}

/// The columns that somebody chose.
fn found(header: &[String], chosen: &Chosen) -> Result<Vec<(Field, usize)>, Unreadable> {
    let mut found: Vec<(Field, usize)> = Vec::new();
    for (field, name) in chosen {
        let what = field.as_str();
        if !field.is_flag() && found.iter().any(|(known, _)| known == field) {
            return Err(Unreadable::Unclear(format!(
                "--columns names two columns to be the {what}: name one"
            )));
        }
        let most = if field.is_flag() { usize::MAX } else { 1 };
        let before = found.len();
        found.extend(places(header, name).take(most).map(|at| (*field, at)));
        if found.len() == before {
            return Err(Unreadable::Unclear(format!(
                "there is no {name} to be the {what}: there are {}",
                listed(header)
            )));
        }
    }
    Ok(found)
}

/// Where columns of this name are.
fn places<'h>(header: &'h [String], name: &'h str) -> impl Iterator<Item = usize> + 'h {
    let columns = header.iter().enumerate();
    columns.filter_map(move |(at, column)| (column == name).then_some(at))
}

impl Columns {
    /// Whether there is a column for this.
    pub(super) fn has(&self, field: Field) -> bool {
        self.found.iter().any(|(known, _)| *known == field)
    }

    /// A reading that tells which columns were taken.
    pub(super) fn reading(&self, header: &[String]) -> Reading {
        let used = |(field, at): &(Field, usize)| Some((*field, header.get(*at)?.clone()));
        let is_unused =
            |(at, _): &(usize, &String)| !self.found.iter().any(|(_, taken)| taken == at);
        let unused = header.iter().enumerate().filter(is_unused);
        let unused = unused.map(|(_, column)| name_or_dots(column).to_owned());
        // They are taken, unless somebody named another of their kind.
        let (left_out, unused) = unused.partition(|column| is_usual_flag(column));
        Reading {
            used: self.found.iter().filter_map(used).collect(),
            unused,
            left_out,
            ..Reading::default()
        }
    }

    /// The user whose values stand in these columns.
    pub(super) fn record(&self, place: usize, values: &[Value]) -> Result<Record, Fault> {
        let value = |field: Field| {
            let (_, at) = self.found.iter().find(|(known, _)| *known == field)?;
            Some(values.get(*at).cloned().unwrap_or_default())
        };
        let text = |field: Field| value(field).and_then(Value::text);
        let fault = |what: String| Fault { place, what };
        let name = text(Field::Name).ok_or_else(|| fault("it has no user name".to_owned()))?;
        let halves = [text(Field::FirstName), text(Field::LastName)];
        let halves: Vec<String> = halves.into_iter().flatten().collect();
        let halves = (!halves.is_empty()).then(|| halves.join(" "));
        let said = self.said(values).map_err(fault)?;
        Ok(Record {
            place,
            name,
            password: text(Field::Password).map(Secret::new),
            email: text(Field::Email),
            display_name: text(Field::DisplayName).or(halves),
            groups: value(Field::Groups).map(Value::list),
            said,
        })
    }

    /// What all the columns say that tell whether somebody may sign in. Where they contradict each
    /// other, they may not.
    fn said(&self, values: &[Value]) -> Result<Said, String> {
        let mut said = Said::Nothing;
        for (field, at) in self.found.iter().filter(|(field, _)| field.is_flag()) {
            let value = values.get(*at).cloned().unwrap_or_default();
            let is_set = value.flag().ok_or_else(|| {
                let name = self
                    .header
                    .get(*at)
                    .map_or(NO_NAME, |name| name_or_dots(name));
                let field = field.as_str();
                format!(
                    "what {name} says of whether they are {field} is neither true nor false: \
                     --columns {field}=COLUMN takes another, and only those of the kind that are \
                     named: name all that count"
                )
            })?;
            said = match (field, is_set, said) {
                (Field::Active, false, _) | (Field::Disabled, true, _) => Said::Disabled,
                (Field::Active, true, Said::Nothing) => Said::Active,
                (_, _, said) => said,
            };
        }
        Ok(said)
    }
}

impl Value {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Object(Some(text)) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    fn list(self) -> Vec<String> {
        let all = match self {
            Self::Nothing | Self::Object(None) => Vec::new(),
            Self::Text(text) | Self::Object(Some(text)) => {
                text.split([';', '|', ',']).map(str::to_owned).collect()
            }
            Self::List(all) => all,
        };
        let trimmed = all.iter().map(|group| group.trim());
        let named = trimmed.filter(|group| !group.is_empty());
        named.map(str::to_owned).collect()
    }

    /// Yes or no; nothing is no, as it was for the app. A list or an object may mean either.
    fn flag(self) -> Option<bool> {
        let text = match self {
            Self::Nothing => return Some(false),
            Self::Text(text) => text,
            Self::List(_) | Self::Object(_) => return None,
        };
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
            "" | "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
            _ => None,
        }
    }
}

/// Column names for people.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().map(|name| name_or_dots(name)).collect();
    match shown.as_slice() {
        [] => "none".to_owned(),
        names if names.contains(&NO_NAME) => {
            format!(
                "{} (the first line must name the columns)",
                names.join(", ")
            )
        }
        names => names.join(", "),
    }
}

/// What stands for a column's name that is none.
const NO_NAME: &str = "…";

/// A column's name as it may be printed: where the first line of a file names no columns, it is that of
/// a user, with a hash.
fn name_or_dots(name: &str) -> &str {
    let is_of_names = |c: char| c.is_alphanumeric() || " _-.".contains(c);
    let is_name = name.len() <= 30 && name.chars().all(is_of_names);
    if is_name { name } else { NO_NAME }
}

/// Whether columns of users are called so.
pub(super) fn is_usual(name: &str) -> bool {
    let name = plain(name);
    FIELDS
        .iter()
        .any(|(_, names)| names.contains(&name.as_str()))
}

/// Whether columns are called so that tell whether somebody may sign in.
fn is_usual_flag(name: &str) -> bool {
    let name = plain(name);
    let mut flags = FIELDS.iter().filter(|(field, _)| field.is_flag());
    flags.any(|(_, names)| names.contains(&name.as_str()))
}

/// A column's name in the spelling of the table above.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    name.replace([' ', '-', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn used(names: &[&str], chosen: &Chosen) -> String {
        let header = header(names);
        match choose(&header, chosen) {
            Ok(columns) => {
                let used = columns.reading(&header).used;
                let pairs = used
                    .iter()
                    .map(|(field, name)| format!("{}={name}", field.as_str()));
                pairs.collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_file_without_names_of_columns_shows_no_hash() {
        let first = ["ada", "$2y$05$1e9N5H1SGXcWZZgZEnqH0e", "a@b.example"];
        let said = used(&first, &Vec::new());
        assert!(
            said.contains("There are ada, …, … (the first line must"),
            "{said}"
        );
    }

    #[test]
    fn columns_are_known_by_their_usual_names() {
        for (names, expected) in [
            (
                &["Username", "Password"][..],
                "name=Username password=Password",
            ),
            (&["id", "name", "hash"], "name=name password=hash"),
            (
                &["name", "login", "E-Mail", "pw_hash"],
                "name=login password=pw_hash email=E-Mail display_name=name",
            ),
            (
                &["username", "Full Name", "roles", "is_active"],
                "name=username display_name=Full Name groups=roles active=is_active",
            ),
        ] {
            assert_eq!(used(names, &Vec::new()), expected);
        }
    }

    #[test]
    fn what_somebody_says_comes_first_and_what_is_unclear_is_asked() {
        let names = &["name", "email", "password"];
        let chosen = vec![(Field::Name, "email".to_owned())];
        assert_eq!(
            used(names, &chosen),
            "name=email password=password email=email display_name=name"
        );
        let chosen = vec![(Field::Name, "mail".to_owned())];
        assert_eq!(
            used(names, &chosen),
            "there is no mail to be the name: there are name, email, password"
        );
        let unclear = used(&["id", "email", "pw_hash"], &Vec::new());
        assert!(unclear.ends_with("--columns name=email"), "{unclear}");
    }

    #[test]
    fn values_mean_what_they_meant_to_the_app() {
        let header = header(&[
            "username",
            "first_name",
            "last_name",
            "groups",
            "active",
            "locked",
        ]);
        let columns = choose(&header, &Vec::new()).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let of = |active: Value, locked: &str| {
            let names = [text("ada"), text("Ada"), text(" ")];
            let rest = [text("ops| dev;;web,x"), active, text(locked)];
            columns.record(7, &[&names[..], &rest[..]].concat())
        };
        let ada = of(text("t"), "0").unwrap();
        assert_eq!(ada.display_name.as_deref(), Some("Ada"));
        assert_eq!(ada.groups.unwrap(), ["ops", "dev", "web", "x"]);
        assert_eq!(ada.said, Said::Active);
        assert_eq!(of(text("True"), "yes").unwrap().said, Said::Disabled);
        assert_eq!(of(Value::Nothing, "").unwrap().said, Said::Disabled);
        let fault = of(text("perhaps"), "").unwrap_err();
        assert_eq!(fault.place, 7);
        assert!(fault.what.contains("what active says"), "{}", fault.what);
        assert!(!fault.what.contains("perhaps"), "{}", fault.what);
    }

    #[test]
    fn one_column_that_says_disabled_is_enough() {
        use Said::{Active, Disabled, Nothing};

        let no_choice = Vec::new();
        let chosen = vec![
            (Field::Active, "state".to_owned()),
            (Field::Active, "paid".to_owned()),
            (Field::Disabled, "locked".to_owned()),
        ];
        for (names, values, chosen, said) in [
            (&["active", "is_active"][..], "1 1", &no_choice, Active),
            (&["active", "is_active"], "1 0", &no_choice, Disabled),
            (&["active", "enabled"], "1 -", &no_choice, Disabled),
            (&["disabled", "banned"], "0 1", &no_choice, Disabled),
            (&["is_active", "deleted"], "1 1", &no_choice, Disabled),
            (&["deleted", "is_active"], "1 1", &no_choice, Disabled),
            (&["Disabled", "disabled"], "0 1", &no_choice, Disabled),
            (&["is_active", "deleted"], "1 0", &no_choice, Active),
            // That nothing speaks against somebody does not say that they are active.
            (&["disabled", "locked"], "0 -", &no_choice, Nothing),
            (
                &["state", "paid", "locked", "banned"],
                "1 0 0 0",
                &chosen,
                Disabled,
            ),
            (
                &["state", "paid", "locked", "banned"],
                "1 1 1 0",
                &chosen,
                Disabled,
            ),
            // Whoever names the columns names all of a kind.
            (
                &["state", "paid", "locked", "banned"],
                "1 1 0 1",
                &chosen,
                Active,
            ),
        ] {
            let columns = choose(&header(&[&["username"], names].concat()), chosen).unwrap();
            let mut all = vec![Value::Text("ada".to_owned())];
            all.extend(values.split(' ').map(|value| match value {
                "-" => Value::Nothing,
                value => Value::Text(value.to_owned()),
            }));
            let record = columns.record(1, &all).unwrap();
            assert_eq!(record.said, said, "{names:?}: {values}");
        }
    }

    #[test]
    fn what_is_left_out_because_another_of_its_kind_was_named_is_known() {
        let header = header(&["username", "id", "active", "Banned", "is_deleted"]);
        for (named, left_out) in [
            (&[][..], &[][..]),
            (&[(Field::Disabled, "Banned")], &["is_deleted"]),
            (&[(Field::Disabled, "is_deleted")], &["Banned"]),
            (&[(Field::Active, "id")], &["active"]),
        ] {
            let named = named
                .iter()
                .map(|(field, name)| (*field, (*name).to_owned()));
            let columns = choose(&header, &named.collect()).unwrap();
            assert_eq!(columns.reading(&header).left_out, left_out);
        }
        let columns = choose(&header, &Vec::new()).unwrap();
        let values = ["ada", "1", "1", "perhaps"].map(|text| Value::Text(text.to_owned()));
        let fault = columns.record(1, &values).unwrap_err().what;
        assert!(fault.contains("name all that count"), "{fault}");
    }

    #[test]
    fn a_fact_that_is_only_one_is_not_taken_from_two_columns() {
        let chosen = [Field::Name, Field::Name].map(|field| (field, "email".to_owned()));
        let error = choose(&header(&["email"]), &chosen.to_vec()).err().unwrap();
        assert!(error.to_string().contains("name one"), "{error}");
    }
}
