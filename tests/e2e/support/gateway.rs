//! A gateway: the real binary, with a configuration and a database of its own, in a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{Connection, Upstream, command, vestibule, wait_until};

/// The password of every user that the tests add.
pub const PASSWORD: &str = "correct horse battery staple";

/// Debug builds on busy machines are slow to start.
const TO_START: Duration = Duration::from_secs(60);

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    public_url: String,
    listen: Vec<String>,
    server: String,
    routes: String,
    sections: String,
    login: String,
    users: Vec<(String, Vec<String>)>,
    environment: Vec<(&'static str, String)>,
    admin_token: Option<String>,
}

/// A running gateway; ends at once when dropped.
pub struct Gateway {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<String>>,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Setup {
    /// Without routes; one user, ada, an engineer.
    pub fn new() -> Self {
        let setup = Self {
            public_url: "http://localhost".to_owned(),
            listen: vec!["127.0.0.1:0".to_owned()],
            server: String::new(),
            routes: String::new(),
            sections: String::new(),
            login: "min_duration = \"0s\"".to_owned(),
            users: Vec::new(),
            environment: Vec::new(),
            admin_token: None,
        };
        setup.user(
            "ada",
            &[
                "--email",
                "ada@example.com",
                "--display-name",
                "Ada Lovelace",
                "--group",
                "engineers",
            ],
        )
    }

    /// With one route for all that is signed in.
    pub fn in_front_of(upstream: &Upstream) -> Self {
        Self::new().route("/", &upstream.url(), "signed-in", "")
    }

    /// With one more route. `more` are further lines of it.
    pub fn route(mut self, path: &str, upstream: &str, allow: &str, more: &str) -> Self {
        let allow = match allow.starts_with('{') {
            true => allow.to_owned(),
            false => format!("\"{allow}\""),
        };
        self.routes.push_str(&format!(
            "[[routes]]\npath = \"{path}\"\nupstream = \"{upstream}\"\nallow = {allow}\n{more}\n\n"
        ));
        self
    }

    /// With another `public_url`.
    pub fn public_url(mut self, url: &str) -> Self {
        self.public_url = url.to_owned();
        self
    }

    /// With one more listener.
    pub fn also_listen(mut self, listen: &str) -> Self {
        self.listen.push(listen.to_owned());
        self
    }

    /// With these further lines of `[server]`.
    pub fn server(mut self, lines: &str) -> Self {
        self.server.push_str(lines);
        self.server.push('\n');
        self
    }

    /// With an admin API that this token opens.
    pub fn admin_token(mut self, token: &str) -> Self {
        self.admin_token = Some(token.to_owned());
        self.server("admin_token_file = \"admin.token\"")
    }

    /// With these further sections.
    pub fn section(mut self, lines: &str) -> Self {
        self.sections.push_str(lines);
        self.sections.push('\n');
        self
    }

    /// With these lines of `[login]` instead of one by which refusals come at once.
    pub fn login(mut self, lines: &str) -> Self {
        self.login = lines.to_owned();
        self
    }

    /// With one more user, added by `vestibule user add NAME` with these options.
    pub fn user(mut self, name: &str, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        self.users.push((name.to_owned(), options));
        self
    }

    /// With this in its environment.
    pub fn environment(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The configuration as a file holds it.
    pub fn to_toml(&self) -> String {
        format!(
            "[server]\nlisten = {:?}\nadmin_listen = \"127.0.0.1:0\"\npublic_url = \"{}\"\n{}\n{}[storage]\nurl = \"sqlite:vestibule.db\"\n\n[login]\n{}\n\n{}",
            self.listen, self.public_url, self.server, self.routes, self.login, self.sections
        )
    }

    /// Writes the configuration, adds the users and starts the gateway.
    pub fn start(&self) -> Gateway {
        let folder = TempDir::new().expect("a temporary folder can be made");
        fs::write(folder.path().join("config.toml"), self.to_toml()).expect("it is writable");
        if let Some(token) = &self.admin_token {
            let path = folder.path().join("admin.token");
            fs::write(&path, format!("{token}\n")).expect("it is writable");
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(&path, mode).expect("it is ours");
        }
        for (name, options) in &self.users {
            let mut arguments = vec!["user", "add", name, "--config", "config.toml"];
            arguments.extend(options.iter().map(String::as_str));
            vestibule(folder.path(), &arguments, &format!("{PASSWORD}\n")).expect_success();
        }
        Gateway::start(folder, self.environment.clone())
    }
}

impl Gateway {
    /// One route, `/`, for all that is signed in.
    pub fn in_front_of(upstream: &Upstream) -> Self {
        Setup::in_front_of(upstream).start()
    }

    fn start(folder: TempDir, environment: Vec<(&'static str, String)>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["serve", "--config", "config.toml"])
            .current_dir(folder.path())
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let log = Arc::default();
        let (sender, lines) = mpsc::channel();
        collect(child.stderr.take().expect("it is piped"), &log, sender);
        let (address, admin) = addresses(&lines, &log);
        let gateway = Self {
            child,
            address,
            admin,
            log,
            folder,
            environment,
        };
        wait_until("the gateway to be ready", TO_START, || gateway.is_ready());
        gateway
    }

    /// Where requests go.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin listener is.
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// A new connection to the admin listener.
    pub fn connect_admin(&self) -> Connection {
        Connection::open(self.admin)
    }

    /// Runs one of vestibule's commands on this gateway's configuration.
    pub fn command(&self, arguments: &[&str], input: &str) -> command::Finished {
        let arguments = [arguments, &["--config", "config.toml"]].concat();
        vestibule(self.folder.path(), &arguments, input)
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panicked over it").clone()
    }

    /// The most memory it has had resident, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        self.status("VmHWM")
    }

    /// The lines of a log in its folder, each of them JSON, once there are `count` or more.
    pub fn lines(&self, name: &str, count: usize) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        wait_until("the lines of a log", TO_START, || {
            let text = fs::read_to_string(self.file(name)).unwrap_or_default();
            let parse = |line: &str| serde_json::from_str(line).expect("a line is JSON");
            // The last line may be under way.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            lines = whole.lines().map(parse).collect();
            lines.len() >= count
        });
        lines
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal("HUP");
    }

    /// Writes another configuration.
    pub fn configure(&self, setup: &Setup) {
        fs::write(self.file("config.toml"), setup.to_toml()).expect("it is writable");
    }

    /// Sends SIGHUP and waits until the gateway says what became of the reload.
    pub fn reload(&self) {
        let said = || {
            let log = self.log();
            log.matches("the configuration was reloaded").count()
                + log.matches("the old configuration stays in use").count()
        };
        let before = said();
        self.hang_up();
        wait_until("the reload", TO_START, || said() > before);
    }

    /// A number of `/proc/PID/status`, such as `VmRSS` in KiB, or `Threads`.
    pub fn status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("it is running");
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        let value = lines.find_map(|(key, value)| (key == name).then_some(value));
        let number = value.and_then(|value| value.split_whitespace().next());
        number.expect("a number").parse().expect("a number")
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).expect("it is running").count()
    }

    /// Sends this signal.
    pub fn signal(&self, name: &str) {
        command::signal(self.child.id(), name);
    }

    /// Waits for the process to end.
    pub fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        wait_until("the gateway to end", limit, || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Kills it in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Starts it again on the same configuration and database once it has ended.
    pub fn start_again(mut self) -> Self {
        let empty = TempDir::new().expect("a temporary folder can be made");
        let folder = std::mem::replace(&mut self.folder, empty);
        Self::start(folder, self.environment.clone())
    }

    /// Stops it in good order and starts it again on the same configuration and database.
    pub fn restart(mut self) -> Self {
        self.terminate();
        assert!(self.wait_for_exit(TO_START).success());
        self.start_again()
    }

    fn is_ready(&self) -> bool {
        let mut connection = self.connect_admin();
        connection.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.answer().status == 200
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log());
        }
    }
}

/// Reads the log to its end, so that the gateway never waits for us.
fn collect(stderr: impl Read + Send + 'static, log: &Arc<Mutex<String>>, lines: Sender<String>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("nobody panicked over it");
            log.push_str(&line);
            log.push('\n');
            // Nobody listens once the addresses are known.
            let _ = lines.send(line);
        }
    });
}

/// The addresses that the gateway says it listens on.
fn addresses(lines: &Receiver<String>, log: &Mutex<String>) -> (SocketAddr, SocketAddr) {
    let (mut public, mut admin) = (None, None);
    loop {
        if let (Some(public), Some(admin)) = (public, admin) {
            return (public, admin);
        }
        let Ok(line) = lines.recv_timeout(TO_START) else {
            let log = log.lock().expect("nobody panicked over it");
            panic!("the gateway did not say where it listens:\n{log}");
        };
        let Some((before, address)) = line.split_once("listening on http://") else {
            continue;
        };
        // Text ends at a space, JSON at a quote.
        let address = address.split([' ', '"']).next().map(str::parse);
        let address = address.expect("an address").expect("an address");
        if before.ends_with("admin ") {
            admin = Some(address);
        } else {
            public = Some(address);
        }
    }
}
