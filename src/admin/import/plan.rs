//! What would an import do, to whom, and what is in its way? Decided before anything is changed.

use std::collections::HashMap;

use thiserror::Error;

use crate::admin::import::{Effect, Reading, Record};
use crate::identity::names::NameError;
use crate::identity::password::{Scheme, Unsupported};
use crate::identity::{DisplayName, Email, GroupName, PasswordHash, User, UserName};

/// What is asked of an import.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Groups for everybody who is imported, besides their own.
    pub groups: Vec<GroupName>,
    /// What becomes of users who are here already.
    pub on_conflict: OnConflict,
    /// Whether users without a hash that can be checked are imported, too.
    pub without_password: bool,
}

/// What becomes of users who are here already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// They are refused.
    Fail,
    /// They stay as they are.
    Skip,
    /// They get the password and whatever else the file tells of them.
    Update,
}

/// What would be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Whom it would import, in the order of the file.
    pub steps: Vec<Step>,
    /// Who is here already and stays as they are.
    pub skipped: Vec<Matter>,
    /// What cannot be imported, by place.
    pub refused: Vec<Matter>,
    /// How many users have which kind of hash, of those who would be imported or are refused for it.
    pub fates: Vec<(Fate, usize)>,
}

/// Somebody who would be imported.
#[derive(Debug)]
pub struct Step {
    /// The line or row.
    pub place: usize,
    /// Who.
    pub name: UserName,
    /// Whether they are here already.
    pub is_update: bool,
    pub(super) display_name: Option<DisplayName>,
    pub(super) email: Option<Email>,
    pub(super) groups: Option<Vec<GroupName>>,
    /// What changes for them.
    pub effect: Effect,
    /// `None`: there is none that can be checked.
    pub(super) password: Option<PasswordHash>,
}

/// What becomes of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on to work.
    Works {
        /// By which scheme it was hashed.
        scheme: Scheme,
        /// Whether that is too weak for a hash to be kept as it is.
        is_weak: bool,
    },
    /// It does not, and nobody signs in with it until somebody sets another.
    Lost(Unfit),
    /// It does not, and its user is refused.
    Refused(Unfit),
}

/// Something about one user, or about a line in which there should be one.
#[derive(Debug)]
pub struct Matter {
    /// The line or row.
    pub place: usize,
    /// Who, where that can be said.
    pub name: Option<String>,
    /// Why.
    pub causes: Vec<Cause>,
}

/// Why a password cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// There is nothing to take over.
    #[error("there is no password hash")]
    Missing,
    /// It is no hash that can be checked.
    #[error("{0}")]
    Unsupported(Unsupported),
}

/// Why somebody cannot be imported, or is left as they are.
#[derive(Debug, Error)]
pub enum Cause {
    /// The record could not be read.
    #[error("{0}")]
    Unread(String),
    /// The name is not acceptable.
    #[error("the user name is not acceptable: {0}")]
    Name(NameError),
    /// The name is none.
    #[error("what should be the user name is a password hash")]
    HashForName,
    /// Somebody before has the same name.
    #[error("the same user name, letter case aside, is above, at {0}")]
    Twice(usize),
    /// There is such a user.
    #[error("there is already a user of this name")]
    Taken,
    /// The address is not acceptable.
    #[error("the e-mail address is not acceptable: {0}")]
    Email(NameError),
    /// Somebody before has the same address.
    #[error("the same e-mail address is above, at {0}")]
    EmailTwice(usize),
    /// Another user has the address.
    #[error("{0} has this e-mail address already")]
    EmailTaken(UserName),
    /// The display name is not acceptable.
    #[error("the display name is not acceptable: {0}")]
    DisplayName(NameError),
    /// A group is not acceptable.
    #[error("the name of a group is not acceptable: {0}")]
    Group(NameError),
    /// The password cannot be taken over.
    #[error("the password cannot be taken over: {0}")]
    Password(Unfit),
}

impl Plan {
    /// What would be done about what was read, where these users are.
    pub fn of(reading: Reading, users: &[User], wishes: &Wishes) -> Self {
        let mut plan = Self::default();
        let mut known = Known::of(users);
        for record in reading.records {
            plan.take(record, &mut known, wishes);
        }
        plan.refused
            .extend(reading.faults.into_iter().map(|fault| Matter {
                place: fault.place,
                name: None,
                causes: vec![Cause::Unread(fault.what)],
            }));
        plan.refused.sort_by_key(|matter| matter.place);
        plan
    }

    fn take(&mut self, record: Record, known: &mut Known<'_>, wishes: &Wishes) {
        let place = record.place;
        let name = match acceptable_name(&record.name) {
            Ok(name) => name,
            Err((name, cause)) => return self.refuse(place, name, vec![cause]),
        };
        if let Some(first) = known.places.get(&name) {
            let cause = Cause::Twice(*first);
            return self.refuse(place, Some(name.to_string()), vec![cause]);
        }
        known.places.insert(name.clone(), place);
        let here = known.users.get(&name).copied();
        let mut causes = Vec::new();
        if here.is_some() {
            match wishes.on_conflict {
                OnConflict::Update => {}
                OnConflict::Fail => causes.push(Cause::Taken),
                OnConflict::Skip => {
                    self.skipped.push(Matter {
                        place,
                        name: Some(name.to_string()),
                        causes: vec![Cause::Taken],
                    });
                    return;
                }
            }
        }
        let mut note = |cause: Cause| causes.push(cause);
        let email = parsed(record.email.as_deref(), Email::parse).map_err(Cause::Email);
        let email = email.map_err(&mut note).ok().flatten();
        if let Some(email) = &email
            && let Err(cause) = known.claim(email, &name, place)
        {
            note(cause);
        }
        let display_name = parsed(record.display_name.as_deref(), DisplayName::parse);
        let display_name = display_name.map_err(|why| note(Cause::DisplayName(why)));
        let groups = groups(record.groups.as_deref(), here, wishes);
        let groups = groups.map_err(|why| note(Cause::Group(why)));
        let (password, fate) = password(&record, wishes);
        if let Fate::Refused(unfit) = fate {
            note(Cause::Password(unfit));
        }
        if causes.is_empty() || matches!(fate, Fate::Refused(_)) {
            self.count(fate);
        }
        if !causes.is_empty() {
            return self.refuse(place, Some(name.to_string()), causes);
        }
        let groups = groups.ok().flatten();
        self.steps.push(Step {
            place,
            name,
            is_update: here.is_some(),
            display_name: display_name.ok().flatten(),
            email,
            effect: Effect::of(record.said, groups.as_deref(), here),
            groups,
            password,
        });
    }

    fn count(&mut self, fate: Fate) {
        match self.fates.iter_mut().find(|(known, _)| *known == fate) {
            Some((_, users)) => *users += 1,
            None => self.fates.push((fate, 1)),
        }
    }

    fn refuse(&mut self, place: usize, name: Option<String>, causes: Vec<Cause>) {
        self.refused.push(Matter {
            place,
            name,
            causes,
        });
    }
}

impl Step {
    /// Whether the hash must be hashed again before it is kept, which takes a while.
    pub fn needs_wrapping(&self) -> bool {
        let password = self.password.as_ref();
        password.is_some_and(PasswordHash::needs_wrapping)
    }
}

impl Cause {
    /// What can be done about it, besides leaving them out.
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Name(_) => Some(
                "names: change them in the file, or take another column, such as with \
                 --columns name=email",
            ),
            Self::HashForName => Some("columns: say which is which with --columns"),
            Self::Twice(_) => Some("names that are there twice: leave one of each in the file"),
            Self::Taken => Some(
                "users who are here already: --on-conflict skip leaves them as they are, \
                 --on-conflict update gives them the password and the facts of the file",
            ),
            Self::EmailTwice(_) | Self::EmailTaken(_) => Some(
                "e-mail addresses: no two users share one, so change or clear them in the file",
            ),
            Self::Password(_) => Some(
                "passwords: --without-password imports these users with none, and \
                 `vestibule user passwd NAME --temporary` gives them one",
            ),
            Self::Unread(_) | Self::Email(_) | Self::DisplayName(_) | Self::Group(_) => None,
        }
    }
}

/// Who is here, and what the records before have claimed.
struct Known<'u> {
    users: HashMap<&'u UserName, &'u User>,
    /// Addresses without letter case.
    addresses: HashMap<String, &'u UserName>,
    places: HashMap<UserName, usize>,
    claimed: HashMap<String, usize>,
}

impl<'u> Known<'u> {
    fn of(users: &'u [User]) -> Self {
        let address = |user: &'u User| Some((folded(user.email.as_ref()?), &user.name));
        Self {
            users: users.iter().map(|user| (&user.name, user)).collect(),
            addresses: users.iter().filter_map(address).collect(),
            places: HashMap::new(),
            claimed: HashMap::new(),
        }
    }

    fn claim(&mut self, email: &Email, name: &UserName, place: usize) -> Result<(), Cause> {
        let address = folded(email);
        match self.addresses.get(&address) {
            Some(owner) if *owner != name => return Err(Cause::EmailTaken((*owner).clone())),
            _ => {}
        }
        match self.claimed.insert(address, place) {
            Some(first) => Err(Cause::EmailTwice(first)),
            None => Ok(()),
        }
    }
}

/// A name that cannot be taken is shown where it is surely no secret.
fn acceptable_name(text: &str) -> Result<UserName, (Option<String>, Cause)> {
    const LONGEST_SHOWN: usize = 64;
    // An unsalted hash may look like a name, and the other way round: only what says of itself that it
    // is a hash is none.
    let is_marked = text.contains(['$', '{']);
    let read = PasswordHash::imported(text.trim());
    if is_marked && !matches!(read, Err(Unsupported::Unknown | Unsupported::Unusable)) {
        return Err((None, Cause::HashForName));
    }
    UserName::parse(text).map_err(|why| {
        let shown: String = text.chars().take(LONGEST_SHOWN).collect();
        (Some(format!("{shown:?}")), Cause::Name(why))
    })
}

fn parsed<T>(
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, NameError>,
) -> Result<Option<T>, NameError> {
    text.map(parse).transpose()
}

/// Those of the file, or else those that somebody who is here has, with those for everybody. `None`
/// where neither the file nor the command tells of groups.
fn groups(
    named: Option<&[String]>,
    here: Option<&User>,
    wishes: &Wishes,
) -> Result<Option<Vec<GroupName>>, NameError> {
    let mut all: Vec<GroupName> = match named {
        Some(named) => named
            .iter()
            .map(|name| GroupName::parse(name))
            .collect::<Result<_, _>>()?,
        None if wishes.groups.is_empty() => return Ok(None),
        None => here.map(|user| user.groups.clone()).unwrap_or_default(),
    };
    all.extend(wishes.groups.iter().cloned());
    Ok(Some(all))
}

fn password(record: &Record, wishes: &Wishes) -> (Option<PasswordHash>, Fate) {
    let read = match &record.password {
        None => Err(Unfit::Missing),
        Some(text) => PasswordHash::imported(text.expose().trim()).map_err(Unfit::Unsupported),
    };
    let known = read.and_then(|hash| match hash.scheme(None) {
        Some(scheme) => Ok((hash, scheme)),
        None => Err(Unfit::Unsupported(Unsupported::Unknown)),
    });
    match known {
        Ok((hash, scheme)) => {
            let is_weak = hash.needs_wrapping();
            (Some(hash), Fate::Works { scheme, is_weak })
        }
        Err(unfit) if wishes.without_password => (None, Fate::Lost(unfit)),
        Err(unfit) => (None, Fate::Refused(unfit)),
    }
}

fn folded(email: &Email) -> String {
    email.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::import::{Fault, Said, State};
    use crate::clock::Timestamp;
    use crate::identity::{PasswordTerm, Secret, UserId};

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn record(place: usize, name: &str) -> Record {
        Record {
            place,
            name: name.to_owned(),
            password: Some(Secret::new(HASH.to_owned())),
            email: None,
            display_name: None,
            groups: None,
            said: Said::Nothing,
        }
    }

    fn user(name: &str, email: &str, group: &str) -> User {
        User {
            id: UserId::from_bytes([7; 16]),
            name: UserName::parse(name).unwrap(),
            display_name: None,
            email: Some(Email::parse(email).unwrap()),
            groups: vec![GroupName::parse(group).unwrap()],
            disabled: false,
            password_term: PasswordTerm::Lasting,
            session_epoch: 0,
            claims_epoch: 0,
            created_at: Timestamp::from_seconds(0),
        }
    }

    fn plan(records: Vec<Record>, on_conflict: OnConflict, without_password: bool) -> Plan {
        let reading = Reading {
            records,
            faults: vec![Fault {
                place: 1,
                what: "unread".to_owned(),
            }],
            ..Reading::default()
        };
        let wishes = Wishes {
            groups: vec![GroupName::parse("moved").unwrap()],
            on_conflict,
            without_password,
        };
        Plan::of(reading, &[user("ada", "ada@b.example", "ops")], &wishes)
    }

    fn refused(plan: &Plan) -> Vec<String> {
        let told = |matter: &Matter| {
            let causes: Vec<String> = matter.causes.iter().map(ToString::to_string).collect();
            let name = matter.name.as_deref().unwrap_or("-");
            format!("{} {name}: {}", matter.place, causes.join("; "))
        };
        plan.refused.iter().map(told).collect()
    }

    #[test]
    fn all_that_is_wrong_is_told_and_no_hash() {
        let bad = |place: usize, name: &str, change: fn(&mut Record)| {
            let mut record = record(place, name);
            change(&mut record);
            record
        };
        let records = vec![
            bad(2, "good", |record| {
                record.email = Some("new@b.example".to_owned())
            }),
            record(3, "GOOD"),
            record(4, "J\u{1b}[31m ä"),
            record(5, HASH),
            record(6, "ada"),
            bad(7, "bob", |record| {
                record.email = Some("ADA@b.example".to_owned());
                record.groups = Some(vec!["a b".to_owned()]);
            }),
            bad(8, "cy", |record| {
                record.email = Some("NEW@b.example".to_owned())
            }),
            bad(9, "dora", |record| {
                record.email = Some("nowhere".to_owned())
            }),
            bad(10, "eve", |record| record.password = None),
            bad(11, "fay", |record| {
                record.password = Some(Secret::new("hunter2".to_owned()))
            }),
        ];
        let plan = plan(records, OnConflict::Fail, false);
        let told = refused(&plan);
        let not_ascii = "only visible ASCII characters without comma are allowed";
        assert_eq!(
            told,
            [
                "1 -: unread".to_owned(),
                "3 good: the same user name, letter case aside, is above, at 2".to_owned(),
                format!(
                    "4 \"J\\u{{1b}}[31m ä\": the user name is not acceptable: it holds '\\u{{1b}}': {not_ascii}"
                ),
                "5 -: what should be the user name is a password hash".to_owned(),
                "6 ada: there is already a user of this name".to_owned(),
                format!(
                    "7 bob: ada has this e-mail address already; the name of a group is not acceptable: it holds ' ': {not_ascii}"
                ),
                "8 cy: the same e-mail address is above, at 2".to_owned(),
                "9 dora: the e-mail address is not acceptable: it is not of the form name@domain"
                    .to_owned(),
                "10 eve: the password cannot be taken over: there is no password hash".to_owned(),
                "11 fay: the password cannot be taken over: it is of no scheme known here"
                    .to_owned(),
            ]
        );
        let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["good"]);
        let fates: Vec<usize> = plan.fates.iter().map(|(_, users)| *users).collect();
        assert_eq!(fates, [1, 1, 1]);
    }

    #[test]
    fn users_who_are_here_are_left_alone_or_changed_as_asked() {
        let skipping = plan(vec![record(2, "Ada")], OnConflict::Skip, false);
        assert_eq!((skipping.steps.len(), skipping.skipped.len()), (0, 1));
        assert!(skipping.fates.is_empty());

        let mut ada = record(2, "ada");
        ada.email = Some("Ada@b.example".to_owned());
        let updating = plan(vec![ada, record(3, "bob")], OnConflict::Update, false);
        let groups: Vec<String> = updating
            .steps
            .iter()
            .map(|step| {
                let groups = step.groups.iter().flatten().map(GroupName::as_str);
                format!(
                    "{} {} {}",
                    step.name,
                    step.is_update,
                    groups.collect::<Vec<_>>().join("+")
                )
            })
            .collect();
        assert_eq!(groups, ["ada true ops+moved", "bob false moved"]);
        assert_eq!(refused(&updating), ["1 -: unread"]);
    }

    #[test]
    fn users_without_a_password_come_along_where_that_is_asked() {
        let mut eve = record(2, "eve");
        eve.password = Some(Secret::new("!unusable".to_owned()));
        let plan = plan(vec![eve], OnConflict::Fail, true);
        assert_eq!(plan.steps[0].password, None);
        assert!(matches!(plan.fates[..], [(Fate::Lost(_), 1)]));
    }

    #[test]
    fn nobody_is_enabled_again_unless_the_file_says_that_they_are_active() {
        for (was_disabled, said, state, set) in [
            (true, Said::Active, State::EnabledAgain, Some(false)),
            (true, Said::Nothing, State::StaysDisabled, None),
            (true, Said::Disabled, State::StaysDisabled, None),
            (false, Said::Disabled, State::DisabledNow, Some(true)),
            // Whoever disables them in this moment has the last word.
            (false, Said::Active, State::Active, None),
            (false, Said::Nothing, State::Active, None),
        ] {
            let ada = User {
                disabled: was_disabled,
                ..user("ada", "ada@b.example", "ops")
            };
            let mut record = record(2, "ada");
            record.said = said;
            let reading = Reading {
                records: vec![record],
                ..Reading::default()
            };
            let wishes = Wishes {
                groups: Vec::new(),
                on_conflict: OnConflict::Update,
                without_password: false,
            };
            let plan = Plan::of(reading, &[ada], &wishes);
            assert_eq!(plan.steps[0].effect.state, state, "{was_disabled} {said:?}");
            assert_eq!(state.to_set(), set);
        }
    }

    #[test]
    fn groups_that_somebody_gets_into_and_out_of_are_known() {
        let mut ada = record(2, "ada");
        ada.groups = Some(vec!["dev".to_owned(), "dev".to_owned()]);
        let plan = plan(vec![ada, record(3, "bob")], OnConflict::Update, false);
        let told = |groups: &[GroupName]| {
            let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
            names.join(" ")
        };
        let changes = plan.steps.iter().map(|step| {
            let Effect { gained, lost, .. } = &step.effect;
            format!("{}: +{} -{}", step.name, told(gained), told(lost))
        });
        let changes: Vec<String> = changes.collect();
        assert_eq!(changes, ["ada: +dev moved -ops", "bob: +moved -"]);
    }
}
