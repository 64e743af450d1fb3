//! Under systemd: sockets that were opened for us, what its manager is told, and the units we ship.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Connection, Request, Setup, Upstream, curl, signal, wait_until};

const SOON: Duration = Duration::from_secs(60);

/// A gateway as systemd starts it, with one socket, and what its manager hears.
struct Service {
    child: Child,
    told: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl Service {
    fn start(setup: &Setup, folder: TempDir, socket: OwnedFd) -> Self {
        let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        thread::spawn(move || {
            let mut message = [0; 256];
            while let Ok(length) = manager.recv(&mut message) {
                let message = String::from_utf8_lossy(&message[..length]).into_owned();
                hears.lock().unwrap().push(message);
            }
        });
        fs::write(folder.path().join("config.toml"), setup.to_toml()).unwrap();
        let command = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --config config.toml 3<&0";
        let child = Command::new("sh")
            .args(["-c", command, env!("CARGO_BIN_EXE_vestibule")])
            .current_dir(folder.path())
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .env("WATCHDOG_USEC", "200000")
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            told,
            folder,
        }
    }

    /// Waits until the manager is told this.
    fn wait_for(&self, message: &str) {
        wait_until(message, SOON, || {
            let told = self.told.lock().unwrap();
            told.iter().any(|told| told == message)
        });
    }

    fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end", SOON, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open_to_all(upstream: &Upstream) -> Setup {
    Setup::new().route("/", &upstream.url(), "anyone", "")
}

#[test]
fn a_socket_that_was_opened_for_us_serves_and_the_manager_hears_how_we_are() {
    let upstream = Upstream::start();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut early = Connection::open(address);
    early.send(Request::get("/first").to_bytes());
    let setup = open_to_all(&upstream).also_listen(&address.to_string());
    let mut service = Service::start(&setup, TempDir::new().unwrap(), socket.into());
    service.wait_for("READY=1");
    assert_eq!(early.answer().status, 200, "it waited for us");
    assert_eq!(
        {
            let mut connection = Connection::open(address);
            connection.send(Request::get("/").to_bytes());
            connection.answer().status
        },
        200
    );
    service.wait_for("WATCHDOG=1");
    let count = |message: &str| {
        let told = service.told.lock().unwrap();
        told.iter().filter(|told| told.starts_with(message)).count()
    };
    signal(service.child.id(), "HUP");
    wait_until("the end of a reload", SOON, || count("READY=1") == 2);
    assert_eq!(count("RELOADING=1\nMONOTONIC_USEC="), 1);
    signal(service.child.id(), "TERM");
    service.wait_for("STOPPING=1");
    assert_eq!(service.exit_code(), Some(0), "{}", service.log());
}

#[test]
fn a_unix_socket_that_was_opened_for_us_is_not_ours_to_remove() {
    let upstream = Upstream::start();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let setup = open_to_all(&upstream).also_listen(&format!("unix:{}", path.display()));
    let mut service = Service::start(&setup, folder, socket.into());
    service.wait_for("READY=1");
    let path_text = path.to_str().unwrap();
    let answer = curl(&["-i", "--unix-socket", path_text, "http://localhost/"]);
    assert!(answer.expect_success().out.starts_with("HTTP/1.1 200"));
    signal(service.child.id(), "TERM");
    assert_eq!(service.exit_code(), Some(0), "{}", service.log());
    assert!(path.exists());
}

#[test]
fn a_socket_that_no_option_names_is_refused() {
    let upstream = Upstream::start();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let folder = TempDir::new().unwrap();
    let mut service = Service::start(&open_to_all(&upstream), folder, socket.into());
    assert_eq!(service.exit_code(), Some(1));
    let said = format!("a socket for {address} was opened for us, and no option names it");
    assert!(service.log().contains(&said), "{}", service.log());
}

#[test]
fn systemd_finds_nothing_wrong_with_our_units() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("systemd-analyze is not installed: the units are not checked");
        return;
    };
    assert!(version.status.success());
    let folder = TempDir::new().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for name in ["vestibule.service", "vestibule.socket"] {
        let unit = fs::read_to_string(shipped.join(name)).unwrap();
        // It is checked whether the program is there.
        let unit = unit.replace("/usr/bin/vestibule", env!("CARGO_BIN_EXE_vestibule"));
        let path = folder.path().join(name);
        fs::write(&path, unit).unwrap();
        let checked = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{name}: {said}");
        assert!(!said.contains("vestibule."), "{name}: {said}");
    }
}
