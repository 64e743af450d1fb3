//! Chromium, and people who use it: what they do, and what they see. One process serves all tests, and
//! each person has cookies of their own in it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{programs, wait_until};

/// How long a person waits for a page. Two processors may have many tests to run.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many tests may use the browser at the same time.
const AT_ONCE: usize = 2;

/// One person's browser; closed when dropped.
pub struct Browser {
    driver: &'static Driver,
    name: String,
    site: String,
    /// Of all browsers in one test.
    turn: Arc<Turn>,
    /// Its own settings.
    profile: Option<TempDir>,
}

/// One of its tabs.
pub struct Tab {
    driver: &'static Driver,
    name: String,
    site: String,
}

impl Browser {
    /// For this site, with nothing in it yet.
    pub fn new(site: &str) -> Self {
        Self::with(site, json!({}))
    }

    /// With these options of Playwright's `newContext`.
    pub fn with(site: &str, options: Value) -> Self {
        Self::open(site, options, Arc::new(Turn::take()))
    }

    /// Of somebody who has forbidden all sites to keep cookies.
    pub fn without_cookies(site: &str) -> Self {
        const FORBIDDEN: &str =
            r#"{"profile": {"default_content_setting_values": {"cookies": 2}}}"#;
        let profile = tempfile::tempdir().expect("a folder can be made");
        let settings = profile.path().join("Default");
        fs::create_dir(&settings).expect("it can be filled");
        fs::write(settings.join("Preferences"), FORBIDDEN).expect("it can be filled");
        let turn = Arc::new(Turn::take());
        let open = json!(["open", profile.path(), {"baseURL": site}]);
        let name = Driver::get().keep("profiles", json!([open]));
        let mut browser = Self::around(name, site, turn);
        browser.profile = Some(profile);
        browser
    }

    /// Another person's, for the same site.
    pub fn another(&self) -> Self {
        Self::open(&self.site, json!({}), Arc::clone(&self.turn))
    }

    /// Where the script is that looks for what keeps people out of a page.
    pub fn axe() -> PathBuf {
        programs::installed().join("browser/node_modules/axe-core/axe.min.js")
    }

    fn open(site: &str, mut options: Value, turn: Arc<Turn>) -> Self {
        options["baseURL"] = site.into();
        let name = Driver::get().keep("browser", json!([["newContext", options]]));
        Self::around(name, site, turn)
    }

    fn around(name: String, site: &str, turn: Arc<Turn>) -> Self {
        let driver = Driver::get();
        let patience = json!([["setDefaultTimeout", PATIENCE.as_millis()]]);
        driver.run(&name, patience);
        Self {
            driver,
            name,
            site: site.to_owned(),
            turn,
            profile: None,
        }
    }

    /// A new tab.
    pub fn tab(&self) -> Tab {
        Tab {
            driver: self.driver,
            name: self.driver.keep(&self.name, json!([["newPage"]])),
            site: self.site.clone(),
        }
    }

    /// Calls these methods of Playwright's `BrowserContext`, each on what the one before gave.
    #[track_caller]
    pub fn call(&self, steps: Value) -> Value {
        self.driver.run(&self.name, steps)
    }

    /// The names of the cookies that it keeps.
    #[track_caller]
    pub fn cookies(&self) -> Vec<String> {
        let cookies = self.call(json!([["cookies"]]));
        let cookies = cookies.as_array().expect("a list");
        let names = cookies.iter().filter_map(|cookie| cookie["name"].as_str());
        names.map(str::to_owned).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Where the driver has ended, so has the browser.
        let _ = self.driver.forget(&self.name, json!([["close"]]));
    }
}

impl Tab {
    /// Types an address.
    #[track_caller]
    pub fn visit(&self, path: &str) {
        self.call(json!([["goto", path]]));
    }

    /// Loads the page again.
    #[track_caller]
    pub fn reload(&self) {
        self.call(json!([["reload"]]));
    }

    /// Clicks into the field of this label and types.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        let field = json!(["getByLabel", label, {"exact": true}]);
        self.call(json!([field, ["click"]]));
        self.call(json!([field, ["fill", text]]));
    }

    /// Clicks what has this role and name.
    #[track_caller]
    pub fn click(&self, role: &str, name: &str) {
        let target = json!(["getByRole", role, {"name": name, "exact": true}]);
        self.call(json!([target, ["click"]]));
    }

    /// Sends the form of the page, in whatever language, and waits for what comes back.
    #[track_caller]
    pub fn submit(&self, fields: &[(&str, &str)]) {
        for (name, text) in fields {
            let field = format!("main input[name={name}]");
            self.call(json!([["fill", field, text]]));
        }
        self.run("window.isBefore = true");
        self.call(json!([["click", "main button"]]));
        self.waits_for("!window.isBefore && document.readyState === 'complete'");
    }

    /// Types where the focus is.
    #[track_caller]
    pub fn write(&self, text: &str) {
        self.call(json!(["keyboard", ["type", text]]));
    }

    /// Presses a key.
    #[track_caller]
    pub fn press(&self, key: &str) {
        self.call(json!(["keyboard", ["press", key]]));
    }

    /// Waits until this stands on the page for all to see.
    #[track_caller]
    pub fn sees(&self, text: &str) {
        self.call(json!([["getByText", text], ["first"], ["waitFor"]]));
    }

    /// Waits until this is in the address line behind the name of the site.
    #[track_caller]
    pub fn is_at(&self, path: &str) {
        let wanted = format!("{}{path}", self.site);
        wait_until(&format!("the address {wanted}"), PATIENCE, || {
            self.address() == wanted
        });
    }

    /// What is in the address line.
    #[track_caller]
    pub fn address(&self) -> String {
        let address = self.call(json!([["url"]]));
        address.as_str().expect("a text").to_owned()
    }

    /// What the page's own script would get for this expression, awaited.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.call(json!([["evaluate", script]]))
    }

    /// Waits until this expression is true.
    #[track_caller]
    pub fn waits_for(&self, script: &str) {
        self.call(json!([["waitForFunction", script], ["jsonValue"]]));
    }

    /// Lets no file through whose address looks like this.
    #[track_caller]
    pub fn block(&self, pattern: &str) {
        let session = json!([["context"], ["newCDPSession", {"kept": self.name}]]);
        let session = self.driver.keep(&self.name, session);
        self.driver
            .run(&session, json!([["send", "Network.enable"]]));
        let blocked = json!(["send", "Network.setBlockedURLs", {"urls": [pattern]}]);
        self.driver.run(&session, json!([blocked]));
    }

    /// Calls these methods of Playwright's `Page`, each on what the one before gave.
    #[track_caller]
    pub fn call(&self, steps: Value) -> Value {
        self.driver.run(&self.name, steps)
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // It may have ended with its browser.
        let _ = self.driver.forget(&self.name, json!([["close"]]));
    }
}

/// Leave to use the browser; the next test gets it when this is dropped.
struct Turn;

static TURNS: Mutex<usize> = Mutex::new(0);
static TURN_ENDED: Condvar = Condvar::new();

impl Turn {
    fn take() -> Self {
        let taken = TURNS.lock().expect("no panic");
        let mut taken = TURN_ENDED
            .wait_while(taken, |taken| *taken >= AT_ONCE)
            .expect("no panic");
        *taken += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.lock().expect("no panic") -= 1;
        TURN_ENDED.notify_one();
    }
}

/// browser/driver.mjs. It ends when this process does, and Chromium with it.
struct Driver {
    requests: Mutex<ChildStdin>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    _child: Child,
}

/// Who waits for the answer to which request.
type Waiting = HashMap<u64, Sender<Value>>;

impl Driver {
    fn get() -> &'static Self {
        static DRIVER: OnceLock<Driver> = OnceLock::new();
        DRIVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/browser/driver.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(programs::installed().join("browser"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let waiting = Arc::default();
        hand_out(child.stdout.take().expect("it is piped"), &waiting);
        Self {
            requests: Mutex::new(child.stdin.take().expect("it is piped")),
            waiting,
            next: AtomicU64::new(1),
            _child: child,
        }
    }

    /// Calls the methods on what is kept under this name.
    #[track_caller]
    fn run(&self, on: &str, steps: Value) -> Value {
        let what = format!("{on}: {steps}");
        match self.ask(json!({"on": on, "steps": steps})) {
            Ok(value) => value,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    /// As `run`; keeps the result and gives its name.
    #[track_caller]
    fn keep(&self, on: &str, steps: Value) -> String {
        let name = format!("{} {}", on, self.next.fetch_add(1, Ordering::Relaxed));
        let kept = self.ask(json!({"on": on, "steps": steps, "keep": name}));
        kept.unwrap_or_else(|error| panic!("{on}: {error}"));
        name
    }

    /// As `run`, and nobody asks for this name again.
    fn forget(&self, on: &str, steps: Value) -> Result<Value, String> {
        self.ask(json!({"on": on, "steps": steps, "forget": true}))
    }

    fn ask(&self, mut request: Value) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        request["id"] = id.into();
        let (sender, answer) = mpsc::channel();
        self.waiting.lock().expect("no panic").insert(id, sender);
        let sent = writeln!(self.requests.lock().expect("no panic"), "{request}");
        sent.map_err(|error| error.to_string())?;
        // Its own patience ends before ours.
        let answer = answer.recv_timeout(3 * PATIENCE);
        let mut answer = answer.map_err(|error| format!("the driver is silent: {error}"))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].take()),
        }
    }
}

/// Gives each answer to whoever waits for it, and the end to all.
fn hand_out(answers: ChildStdout, waiting: &Arc<Mutex<Waiting>>) {
    let waiting = Arc::clone(waiting);
    thread::spawn(move || {
        for line in BufReader::new(answers).lines().map_while(Result::ok) {
            let answer: Value = serde_json::from_str(&line).expect("the driver speaks JSON");
            let id = answer["id"].as_u64().expect("an answer has a number");
            let asker = waiting.lock().expect("no panic").remove(&id);
            // A test that has failed waits no more.
            let _ = asker.map(|asker| asker.send(answer));
        }
        waiting.lock().expect("no panic").clear();
    });
}
