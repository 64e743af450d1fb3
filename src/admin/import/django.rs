//! Users of a Django app, as `manage.py dumpdata` writes them.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};

use crate::admin::import::json::{self, Object};
use crate::admin::import::{Chosen, Fault, Field, Reading, Unreadable};

/// Reads `auth.user`, or the app's own model of users, with the names of their `auth.group`s.
pub(super) fn read(text: &str, chosen: &Chosen) -> Result<Reading, Unreadable> {
    let mut dump = Dump::of(text)?;
    if dump.users.is_empty() && dump.faults.is_empty() {
        return Err(Unreadable::Unclear(
            "there are no users in it: dump them with \
             `manage.py dumpdata auth.user auth.group`, or the app's own model of users"
                .to_owned(),
        ));
    }
    let mut users = Vec::with_capacity(dump.users.len());
    for (place, mut fields) in dump.users {
        match name_groups(&mut fields, &dump.groups) {
            Ok(()) => users.push((place, fields)),
            Err(what) => dump.faults.push(Fault { place, what }),
        }
    }
    let mut reading = match users.is_empty() {
        true => Reading::default(),
        false => json::users(users, &chosen_for(dump.has_names, chosen))?,
    };
    reading.faults.extend(dump.faults);
    reading.others = dump.others.into_iter().collect();
    Ok(reading)
}

/// What a dump holds.
#[derive(Default)]
struct Dump {
    users: Vec<Object>,
    has_names: bool,
    /// Names of groups by primary key.
    groups: HashMap<String, String>,
    others: BTreeMap<String, usize>,
    faults: Vec<Fault>,
}

impl Dump {
    fn of(text: &str) -> Result<Self, Unreadable> {
        let (objects, faults) = json::objects(text)?;
        let mut dump = Self {
            faults,
            ..Self::default()
        };
        for (place, mut object) in objects {
            match (object.remove("model"), object.remove("fields")) {
                (Some(Json::String(model)), Some(Json::Object(fields))) => {
                    dump.take(place, model, object.get("pk"), fields);
                }
                _ => dump.faults.push(Fault {
                    place,
                    what: "it has no model and fields, as dumpdata writes them".to_owned(),
                }),
            }
        }
        Ok(dump)
    }

    fn take(&mut self, place: usize, model: String, key: Option<&Json>, fields: Map<String, Json>) {
        let has = |name: &str| fields.get(name).is_some_and(Json::is_string);
        if has("password") && (has("username") || has("email")) {
            self.has_names |= has("username");
            self.users.push((place, fields));
        } else if model == "auth.group" {
            if let (Some(key), Some(Json::String(name))) = (key, fields.get("name")) {
                self.groups.insert(key.to_string(), name.clone());
            }
        } else {
            *self.others.entry(model).or_default() += 1;
        }
    }
}

/// Users of a model without names sign in with their address.
fn chosen_for(has_names: bool, chosen: &Chosen) -> Chosen {
    let mut chosen = chosen.clone();
    if !has_names && !chosen.iter().any(|(field, _)| *field == Field::Name) {
        chosen.push((Field::Name, "email".to_owned()));
    }
    chosen
}

/// Puts names in the place of keys: `[1]` where the dump has numbers, `[["ops"]]` where it has natural
/// keys.
fn name_groups(
    fields: &mut Map<String, Json>,
    groups: &HashMap<String, String>,
) -> Result<(), String> {
    let Some(Json::Array(keys)) = fields.get_mut("groups") else {
        return Ok(());
    };
    for key in keys {
        let name = match &*key {
            Json::Array(natural) => natural.first().and_then(Json::as_str).map(str::to_owned),
            key => groups.get(&key.to_string()).cloned(),
        };
        *key = Json::String(name.ok_or(
            "they are in a group that is not in the file: dump both, \
             `manage.py dumpdata auth.user auth.group`",
        )?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::import::Said;

    const GROUP: &str = r#"{"model": "auth.group", "pk": 3, "fields": {"name": "editors"}}"#;

    fn read(objects: &[&str]) -> Result<Reading, Unreadable> {
        super::read(&format!("[\n{}\n]", objects.join(",\n")), &Vec::new())
    }

    #[test]
    fn users_come_with_the_names_of_their_groups() {
        let ada = r#"{"model": "auth.user", "pk": 1, "fields": {"password": "pbkdf2_sha256$1$a$b",
            "username": "ada", "first_name": "Ada", "last_name": "Lovelace", "email": "a@b.example",
            "is_staff": true, "is_active": false, "groups": [3], "user_permissions": []}}"#;
        let natural = r#"{"model": "people.person", "fields": {"password": "x", "username": "bob",
            "groups": [["editors"]]}}"#;
        let session =
            r#"{"model": "sessions.session", "pk": "k", "fields": {"session_data": "s"}}"#;
        let reading = read(&[ada, session, GROUP, natural, session]).unwrap();
        let [ada, bob] = &reading.records[..] else {
            panic!("two users");
        };
        assert_eq!((ada.place, ada.name.as_str()), (2, "ada"));
        assert_eq!(ada.display_name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(ada.groups.as_deref().unwrap(), ["editors"]);
        assert_eq!(ada.said, Said::Disabled);
        assert_eq!(bob.groups.as_deref().unwrap(), ["editors"]);
        assert_eq!(reading.others, [("sessions.session".to_owned(), 2)]);
        assert!(reading.faults.is_empty());
    }

    #[test]
    fn users_without_names_sign_in_with_their_address() {
        let user = r#"{"model": "app.user", "pk": 1, "fields": {"password": "x", "email": "a@b.example"}}"#;
        let reading = read(&[user]).unwrap();
        assert_eq!(reading.records[0].name, "a@b.example");
        assert_eq!(reading.records[0].email.as_deref(), Some("a@b.example"));
    }

    #[test]
    fn a_group_that_is_not_in_the_file_is_a_fault() {
        let user = r#"{"model": "auth.user", "pk": 1, "fields": {"password": "x", "username": "ada", "groups": [4]}}"#;
        let reading = read(&[user, GROUP]).unwrap();
        assert!(reading.records.is_empty());
        assert_eq!(reading.faults[0].place, 2);
        assert!(reading.faults[0].what.contains("auth.group"));
    }

    #[test]
    fn a_dump_without_users_says_what_to_dump() {
        assert!(
            read(&[GROUP])
                .unwrap_err()
                .to_string()
                .contains("dumpdata auth.user")
        );
        let reading = read(&["{\"username\": \"ada\"}"]).unwrap();
        assert_eq!(reading.faults.len(), 1);
    }
}
