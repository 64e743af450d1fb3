//! Programs that run to their end: vestibule's own commands and curl.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::programs;

/// What a program did.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

impl Finished {
    /// The same, if it succeeded.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }
}

/// Runs `vestibule` with these arguments in this folder, with `input` on its standard input.
pub fn vestibule(folder: &Path, arguments: &[&str], input: &str) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).current_dir(folder);
    run(command, input)
}

/// Runs curl with these arguments.
pub fn curl(arguments: &[&str]) -> Finished {
    programs::are_installed();
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60"]);
    command.args(arguments);
    run(command, "")
}

/// Runs logrotate with these arguments.
pub fn logrotate(arguments: &[&str]) -> Finished {
    programs::are_installed();
    // Debian keeps it where only root looks.
    let name = ["/usr/sbin/logrotate", "logrotate"];
    let name = name.into_iter().find(|name| Path::new(name).exists());
    let mut command = Command::new(name.unwrap_or("logrotate"));
    command.args(arguments);
    run(command, "")
}

/// Makes users with the programs that other apps keep theirs with (apps/make_users.py).
pub fn make_users(folder: &Path, password: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/apps/make_users.py");
    let mut command = programs::python(&[]);
    command.args([script.as_path(), folder]).arg(password);
    run(command, "").expect_success();
}

/// Runs htpasswd with these arguments; what it prints.
pub fn htpasswd(arguments: &[&str]) -> String {
    programs::are_installed();
    let mut command = Command::new("htpasswd");
    command.args(arguments);
    run(command, "").expect_success().out
}

/// Runs schemathesis on this OpenAPI document with all its checks but one, the same way each time: it
/// takes a list of sessions that were all ended, and is empty, for a thing that was deleted and is there.
pub fn schemathesis(document: &str, token: &str) -> Finished {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let mut command = programs::python(&["-m", "schemathesis.cli", "run", document, "--header"]);
    command.arg(format!("Authorization: Bearer {token}"));
    command.args(["--exclude-checks", "use_after_free"]);
    command.args(["--checks", "all", "--max-examples", "40"]);
    command.args(["--generation-deterministic", "--no-color"]);
    command.current_dir(folder.path());
    run(command, "")
}

/// What PyJWT makes of a token, by the key of this set that it names.
pub fn pyjwt(keys: &serde_json::Value, token: &str, audience: &str) -> Finished {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/e2e/apps/verify_token.py"
    );
    let command = super::programs::python(&[script, token, audience]);
    run(command, &keys.to_string())
}

pub(super) fn run(mut command: Command, input: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // A program that does not read its input may have closed it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    Finished {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Sends a signal to a process, through the shell: the program `kill` is not on every machine.
pub fn signal(process: u32, name: &str) {
    let line = format!("kill -s {name} {process}");
    let status = Command::new("sh").args(["-c", &line]).status();
    assert!(status.expect("there is a shell").success(), "{line}");
}
