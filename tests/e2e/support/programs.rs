//! Unmodified programs that others wrote, installed by setup.sh and started in front of nothing but us.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::{Connection, wait_until};

/// Python takes its time to start on a busy machine.
const TO_START: Duration = Duration::from_secs(60);

/// A running program; ends when dropped.
pub struct Program {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Program {
    /// A WebSocket server that sends back what it receives (apps/echo_ws.py).
    pub fn websocket_echo() -> Self {
        Self::of_ours("echo_ws.py")
    }

    /// A collector of traces (apps/otlp_receiver.py).
    pub fn otlp_receiver() -> Self {
        Self::of_ours("otlp_receiver.py")
    }

    /// An app that signs people in by Flask-JWT-Extended (apps/flask_jwt.py).
    pub fn flask_jwt() -> Self {
        Self::of_ours("flask_jwt.py")
    }

    /// The spans that the collector of traces has taken so far.
    pub fn spans(&self) -> Vec<serde_json::Value> {
        let mut connection = Connection::open(self.address);
        connection.send("GET /spans HTTP/1.1\r\nHost: localhost\r\n\r\n");
        serde_json::from_value(connection.answer().json()).expect("a list")
    }

    /// A script of apps/ that says at the end of its first line where it listens.
    fn of_ours(name: &str) -> Self {
        let script = here().join("apps").join(name);
        let mut child = python(&[script.to_str().expect("the path is text")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("the program says where it listens");
        let address = line.trim().rsplit(' ').next().map(str::parse);
        let address = address.expect("a line has a word").expect("an address");
        Self {
            child,
            address,
            _folder: folder(),
        }
    }

    /// copyparty, a file server, believing `X-Forwarded-User` and `X-Forwarded-Groups`.
    pub fn copyparty() -> Self {
        Self::on_a_free_port(|folder, port| {
            vec![
                "-m".into(),
                "copyparty".into(),
                "-q".into(),
                "-i".into(),
                "127.0.0.1".into(),
                "-p".into(),
                port.to_string(),
                "--idp-h-usr".into(),
                "x-forwarded-user".into(),
                "--idp-h-grp".into(),
                "x-forwarded-groups".into(),
                "--idp-store".into(),
                "0".into(),
                "--no-ses".into(),
                "-v".into(),
                format!("{}:/:r:rwmd,@acct", folder.display()),
            ]
        })
    }

    /// Radicale, a calendar server, believing `X-Remote-User`.
    pub fn radicale() -> Self {
        Self::on_a_free_port(|folder, port| {
            vec![
                "-m".into(),
                "radicale".into(),
                "--config".into(),
                String::new(),
                "--server-hosts".into(),
                format!("127.0.0.1:{port}"),
                "--auth-type".into(),
                "http_x_remote_user".into(),
                "--rights-type".into(),
                "owner_only".into(),
                "--storage-filesystem-folder".into(),
                folder.join("calendars").display().to_string(),
            ]
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    fn on_a_free_port(arguments: impl Fn(&Path, u16) -> Vec<String>) -> Self {
        let folder = folder();
        let address = free_address();
        let arguments = arguments(folder.path(), address.port());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let child = python(&arguments)
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        wait_until("the program to listen", TO_START, || {
            TcpStream::connect(address).is_ok()
        });
        Self {
            child,
            address,
            _folder: folder,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps everybody from reading a database; lets go when dropped.
pub struct Hold(Child);

impl Hold {
    /// Of this database (apps/hold_database.py).
    pub fn of(database: &Path) -> Self {
        let script = here().join("apps/hold_database.py");
        let paths = [&script, database].map(|path| path.to_str().expect("the path is text"));
        let mut child = python(&paths)
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("the program says that it holds the database");
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Installs what is missing, once a test run.
pub fn are_installed() {
    let _ = installed();
}

pub(super) fn installed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apps");
        let status = Command::new(here().join("setup.sh")).arg(&folder).status();
        let status = status.expect("tests/e2e/setup.sh is executable");
        assert!(
            status.success(),
            "tests/e2e/setup.sh could not install what the tests need; it said why above"
        );
        folder
    })
}

/// The environment's Python. Not the programs beside it: they name the folder in which they were
/// installed, and it may have been moved.
pub fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new(installed().join("venv/bin/python"));
    command.arg("-u").args(arguments).stdin(Stdio::null());
    command
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e")
}

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

/// An address that nobody listens on, nor will soon: no other test gets its port, and the system gives
/// ports below 32768 to nobody who does not ask for them.
pub fn free_address() -> SocketAddr {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    let mut ports = (0..12_000).map(|_| {
        let next = begin.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        u16::try_from(20_000 + next % 12_000).expect("below 32000")
    });
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = ports.find(is_free).expect("a port is free");
    (Ipv4Addr::LOCALHOST, port).into()
}
