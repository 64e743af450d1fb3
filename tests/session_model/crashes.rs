//! A process dies in the middle of a step, another one finds what it left, and the client tries again.
//!
//! The process that dies is this test binary, run once more: it opens the database, takes the step
//! that the environment names, and ends without a word where it is told to. What it leaves is what a
//! `kill -9` leaves.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tempfile::TempDir;
use vestibule::clock::Timestamp;
use vestibule::identity::{PasswordHash, User};
use vestibule::session::{Revocations, RevokeReason, Verdict};
use vestibule::store::{Spans, catch_up};

use crate::bare::SETTINGS;
use crate::hooked::at_once;
use crate::house::{CHANGED, House, Lodger};
use crate::schedule::End;
use crate::world::{Given, Outcome, Server, land};

/// What the process that dies is told by: the database, the step, the token, and where to die.
const VARIABLES: [&str; 5] = ["DATABASE", "STEP", "TOKEN", "DIES", "NOW"];

/// Long after the tokens of [`Scene::with_a_stolen_token`] were replaced.
const LATER: i64 = 600_000;

fn variable(name: &str) -> String {
    format!("VESTIBULE_CRASH_{name}")
}

/// What the process does that dies. In an ordinary run, nothing.
#[test]
fn the_process_that_dies() {
    let told = VARIABLES.map(|name| env::var(variable(name)).ok());
    let [
        Some(database),
        Some(step),
        Some(token),
        Some(dies),
        Some(now),
    ] = told
    else {
        return;
    };
    let hook = move |when, name: &str| {
        if dies == format!("{when:?} {name}") {
            process::abort();
        }
    };
    let house = House::in_file(Path::new(&database), Arc::new(hook));
    let user = ada(&house);
    let session = house.lodger(&user, &token);
    session.set_time(now.parse().unwrap());
    match step.as_str() {
        "refresh" => drop(land(session.refresh(&token, 0))),
        "sign in" => drop(house.sign_in(&user)),
        "sign out" => session.end(End::SignedOut),
        "sign out everywhere" => session.end(End::Everywhere),
        "disable" => session.end(End::Disabled),
        "change password" => drop(session.change_password()),
        other => panic!("there is no step {other:?}"),
    }
}

fn ada(house: &House) -> User {
    let users = at_once(house.store.directory.users()).unwrap();
    users.into_iter().next().unwrap()
}

/// A database with one user, whose session is at generation 1.
struct Scene {
    folder: TempDir,
    token: String,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let house = House::in_file(&database(&folder), Arc::new(|_, _| {}));
        let token = house.open().first().text;
        Self { folder, token }
    }

    /// A scene in which the token was replaced, and its successor, too.
    fn with_a_stolen_token() -> (Self, String) {
        let mut scene = Self::new();
        let stolen = scene.token.clone();
        scene.token = scene.after(0, |session| {
            let second = given(session, &stolen);
            session.set_time(60_000);
            given(session, &second.text).text
        });
        (scene, stolen)
    }

    fn command(&self, step: &str, dies: &str, token: &str, now: i64) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        let database = database(&self.folder).display().to_string();
        command.args(["--exact", "crashes::the_process_that_dies"]);
        let now = now.to_string();
        for (name, value) in VARIABLES.iter().zip([&*database, step, token, dies, &now]) {
            command.env(variable(name), value);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Takes the step in a process that dies there.
    #[track_caller]
    fn dies(&self, step: &str, dies: &str) {
        self.dies_with(step, dies, &self.token, 0);
    }

    #[track_caller]
    fn dies_with(&self, step: &str, dies: &str, token: &str, now: i64) {
        let status = self.command(step, dies, token, now).status().unwrap();
        assert!(
            status.signal().is_some(),
            "it lived through {dies}: {status}"
        );
    }

    /// The next process, and the session as it finds it this much later.
    fn after<T>(&self, millis: i64, work: impl FnOnce(&Lodger<'_>) -> T) -> T {
        let house = House::in_file(&database(&self.folder), Arc::new(|_, _| {}));
        let session = house.lodger(&ada(&house), &self.token);
        session.set_time(millis);
        work(&session)
    }
}

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("vestibule.db")
}

#[track_caller]
fn given(session: &Lodger<'_>, token: &str) -> Given {
    match land(session.refresh(token, 0)) {
        Outcome::Given(given) => given,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_refused(session: &Lodger<'_>, token: &str, verdict: Verdict) {
    let outcome = land(session.refresh(token, 0));
    assert!(
        matches!(outcome, Outcome::Refused(Some(told)) if told == verdict),
        "{outcome:?}"
    );
}

/// Whether a process that starts now refuses the session's access tokens.
fn is_refused_from_the_start(session: &Lodger<'_>) -> bool {
    let revocations = Revocations::default();
    let now = Timestamp::from_seconds(1_700_000_000);
    let spans = Spans {
        tokens: Duration::from_secs(370),
        grace: SETTINGS.grace,
    };
    let sessions = &*session.house.store.sessions;
    at_once(catch_up(sessions, &revocations, now, spans)).unwrap();
    revocations.cover(&session.claims(), now)
}

#[test]
fn t_33_before_a_rotation_is_kept_nothing_has_happened() {
    let scene = Scene::new();
    scene.dies("refresh", "Before rotate");
    scene.after(5_000, |session| {
        assert_eq!(session.newest(), Some(1));
        assert_eq!(given(session, &scene.token).generation, 2);
    });
}

#[test]
fn t_33_after_a_rotation_was_kept_its_answer_can_be_asked_for_again() {
    for later in [100, 29_000, 31_000, 20 * 3_600_000, 13 * 86_400_000] {
        let scene = Scene::new();
        scene.dies("refresh", "After rotate");
        scene.after(later, |session| {
            assert_eq!(session.newest(), Some(2), "{later}");
            let again = given(session, &scene.token);
            assert_eq!(again.generation, 2, "{later}");
            let retried = given(session, &scene.token);
            assert_eq!(again.text, retried.text, "{later}");
            given(session, &again.text);
        });
    }
}

#[test]
fn t_33_a_reuse_that_was_seen_and_not_kept_is_seen_again() {
    let (scene, stolen) = Scene::with_a_stolen_token();
    scene.dies_with("refresh", "Before revoke", &stolen, LATER);
    scene.after(LATER, |session| {
        assert_eq!(session.newest(), Some(3), "it lives");
        assert_refused(session, &stolen, Verdict::Reuse);
        assert_eq!(session.newest(), None);
        assert_refused(session, &scene.token, Verdict::Revoked);
        assert!(is_refused_from_the_start(session));
    });
}

#[test]
fn t_33_a_reuse_that_was_kept_holds_for_every_process() {
    let (scene, stolen) = Scene::with_a_stolen_token();
    scene.dies_with("refresh", "After revoke", &stolen, LATER);
    scene.after(LATER, |session| {
        for token in [&scene.token, &stolen] {
            assert_refused(session, token, Verdict::Revoked);
        }
        assert!(is_refused_from_the_start(session));
    });
}

#[test]
fn t_33_a_sign_in_whose_answer_was_lost_leaves_a_session_that_can_be_ended() {
    for (dies, sessions) in [("Before open", 2), ("After open", 3)] {
        let scene = Scene::new();
        scene.dies("sign in", dies);
        scene.after(1_000, |session| {
            given(session, &scene.token);
            let again = session.house.sign_in(&session.user);
            given(&again, &again.first().text);
            let store = &session.house.store.sessions;
            let live = at_once(store.live(Some(session.user.id.clone()))).unwrap();
            assert_eq!(live.len(), sessions, "{dies}");
            for row in live {
                assert!(at_once(store.revoke(row.id, RevokeReason::SignedOut)).unwrap());
            }
            assert_eq!(session.newest(), None);
        });
    }
}

#[test]
fn t_33_a_sign_out_that_was_not_kept_can_be_asked_for_again() {
    for (step, operation) in [
        ("sign out", "revoke"),
        ("sign out everywhere", "revoke_user"),
        ("disable", "set_disabled"),
    ] {
        let scene = Scene::new();
        scene.dies(step, &format!("Before {operation}"));
        scene.after(1_000, |session| {
            given(session, &scene.token);
            session.end(End::Everywhere);
            assert_eq!(session.newest(), None);
        });
        let scene = Scene::new();
        scene.dies(step, &format!("After {operation}"));
        scene.after(1_000, |session| {
            assert_eq!(session.newest(), None, "{step}");
            assert_refused(session, &scene.token, Verdict::Revoked);
            assert!(is_refused_from_the_start(session), "{step}");
            session.end(End::Everywhere);
        });
    }
}

#[test]
fn t_33_a_change_of_password_is_whole_or_not_at_all() {
    let password = |session: &Lodger<'_>| {
        let account = session
            .house
            .store
            .directory
            .account(session.user.name.clone());
        at_once(account).unwrap().unwrap().password
    };
    let scene = Scene::new();
    scene.dies("change password", "Before change_password");
    scene.after(60_000, |session| {
        assert_ne!(
            password(session),
            PasswordHash::from_stored(CHANGED.to_owned())
        );
        given(session, &scene.token);
    });
    let scene = Scene::new();
    let other = scene.after(0, |session| {
        session.house.sign_in(&session.user).first().text
    });
    scene.dies("change password", "After change_password");
    scene.after(60_000, |session| {
        assert_eq!(
            password(session),
            PasswordHash::from_stored(CHANGED.to_owned())
        );
        let late = Verdict::Straggler { first: false };
        assert_refused(session, &scene.token, late);
        assert_eq!(session.newest(), Some(2), "it is not ended by that");
        assert_refused(session, &other, Verdict::Revoked);
    });
}

/// A trigger that never ends holds the process between the statements of a transaction.
#[test]
fn t_33_half_a_transaction_is_none() {
    const FOREVER: &str = "WITH RECURSIVE forever(x) AS (SELECT 1 UNION ALL SELECT x FROM forever)
        SELECT count(*) FROM forever";
    for step in [
        "sign out",
        "sign out everywhere",
        "disable",
        "change password",
    ] {
        let scene = Scene::new();
        let path = database(&scene.folder);
        let database = Connection::open(&path).unwrap();
        let trigger =
            format!("CREATE TRIGGER stuck AFTER INSERT ON revocations BEGIN {FOREVER}; END");
        database.execute_batch(&trigger).unwrap();
        let mut child = scene
            .command(step, "nowhere", &scene.token, 0)
            .spawn()
            .unwrap();
        wait_until_written_to(&database);
        child.kill().unwrap();
        child.wait().unwrap();
        database.execute_batch("DROP TRIGGER stuck").unwrap();
        drop(database);
        scene.after(1_000, |session| {
            assert!(!is_refused_from_the_start(session), "{step}");
            assert_eq!(session.newest(), Some(1), "{step}");
            given(session, &scene.token);
            session.end(End::SignedOut);
            assert_eq!(session.newest(), None);
        });
    }
}

/// Until another process is in the middle of a transaction, and stays there.
#[track_caller]
fn wait_until_written_to(database: &Connection) {
    let end = Instant::now() + Duration::from_secs(60);
    database.busy_timeout(Duration::ZERO).unwrap();
    let mut busy = 0;
    // Opening the database takes transactions, too, which are over at once.
    while busy < 100 {
        assert!(Instant::now() < end, "nobody writes");
        let begun = database.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
        let is_busy =
            begun.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        busy = if is_busy { busy + 1 } else { 0 };
        thread::park_timeout(Duration::from_millis(5));
    }
}
