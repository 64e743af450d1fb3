//! Which column, or member of an object, holds which fact about a user, and what its value means?

use crate::admin::import::{Chosen, Fault, Reading, Record, Unreadable};
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
        &["disabled", "is_disabled", "locked", "is_locked", "banned"],
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
}

/// Which column is what.
pub(super) struct Columns(Vec<(Field, usize)>);

/// Finds the columns: those that somebody chose, and the others by their usual names.
pub(super) fn choose(header: &[String], chosen: &Chosen) -> Result<Columns, Unreadable> {
    let mut found: Vec<(Field, usize)> = Vec::new();
    for (field, name) in chosen {
        let at = header.iter().position(|column| column == name);
        let at = at.ok_or_else(|| {
            Unreadable::Unclear(format!(
                "there is no {name} to be the {}: there are {}",
                field.as_str(),
                listed(header)
            ))
        })?;
        found.push((*field, at));
    }
    let usual: Vec<String> = header.iter().map(|column| plain(column)).collect();
    for (field, names) in FIELDS {
        if found.iter().any(|(known, _)| *known == field) {
            continue;
        }
        // Where people sign in with their address, it is both.
        let is_free =
            |at: &usize| field == Field::Email || !found.iter().any(|(_, taken)| taken == at);
        let places = names
            .iter()
            .filter_map(|name| usual.iter().position(|column| column == name));
        if let Some(at) = places.into_iter().find(is_free) {
            found.push((field, at));
        }
    }
    if found.iter().any(|(field, _)| *field == Field::Name) {
        return Ok(Columns(found));
    }
    let address = found.iter().find(|(field, _)| *field == Field::Email);
    let example = address.and_then(|(_, at)| header.get(*at));
    Err(Unreadable::Unclear(format!(
        "what holds the user name? There are {}: say it with --columns name={}",
        listed(header),
        example.map_or("COLUMN", |name| shown(name))
    )))
}

impl Columns {
    /// Whether there is a column for this.
    pub(super) fn has(&self, field: Field) -> bool {
        self.0.iter().any(|(known, _)| *known == field)
    }

    /// A reading that tells which columns were taken.
    pub(super) fn reading(&self, header: &[String]) -> Reading {
        let used = |(field, at): &(Field, usize)| Some((*field, header.get(*at)?.clone()));
        let is_unused = |(at, _): &(usize, &String)| !self.0.iter().any(|(_, taken)| taken == at);
        let unused = header.iter().enumerate().filter(is_unused);
        Reading {
            used: self.0.iter().filter_map(used).collect(),
            unused: unused.map(|(_, column)| shown(column).to_owned()).collect(),
            ..Reading::default()
        }
    }

    /// The user whose values stand in these columns.
    pub(super) fn record(&self, place: usize, values: &[Value]) -> Result<Record, Fault> {
        let value = |field: Field| {
            let (_, at) = self.0.iter().find(|(known, _)| *known == field)?;
            Some(values.get(*at).cloned().unwrap_or_default())
        };
        let text = |field: Field| value(field).and_then(Value::text);
        let fault = |what: String| Fault { place, what };
        let name = text(Field::Name).ok_or_else(|| fault("it has no user name".to_owned()))?;
        let halves = [text(Field::FirstName), text(Field::LastName)];
        let halves: Vec<String> = halves.into_iter().flatten().collect();
        let halves = (!halves.is_empty()).then(|| halves.join(" "));
        let flag = |field: Field| value(field).map(|value| value.flag(field)).transpose();
        let active = flag(Field::Active).map_err(fault)?;
        let disabled = flag(Field::Disabled).map_err(fault)?;
        Ok(Record {
            place,
            name,
            password: text(Field::Password).map(Secret::new),
            email: text(Field::Email),
            display_name: text(Field::DisplayName).or(halves),
            groups: value(Field::Groups).map(Value::list),
            disabled: match (active, disabled) {
                (None, None) => None,
                (active, disabled) => Some(active == Some(false) || disabled == Some(true)),
            },
        })
    }
}

impl Value {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    fn list(self) -> Vec<String> {
        let all = match self {
            Self::Nothing => Vec::new(),
            Self::Text(text) => text.split([';', '|', ',']).map(str::to_owned).collect(),
            Self::List(all) => all,
        };
        let trimmed = all.iter().map(|group| group.trim());
        let named = trimmed.filter(|group| !group.is_empty());
        named.map(str::to_owned).collect()
    }

    /// Yes or no; nothing is no, as it was for the app.
    fn flag(self, field: Field) -> Result<bool, String> {
        let text = self.text().unwrap_or_default();
        match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
            "" | "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
            _ => Err(format!(
                "what is to say whether they are {} is neither true nor false",
                field.as_str()
            )),
        }
    }
}

/// Column names for people.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().map(|name| shown(name)).collect();
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
fn shown(name: &str) -> &str {
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
        assert_eq!(ada.disabled, Some(false));
        assert_eq!(of(text("True"), "yes").unwrap().disabled, Some(true));
        assert_eq!(of(Value::Nothing, "").unwrap().disabled, Some(true));
        let fault = of(text("perhaps"), "").unwrap_err();
        assert_eq!(fault.place, 7);
        assert!(!fault.what.contains("perhaps"), "{}", fault.what);
    }
}
