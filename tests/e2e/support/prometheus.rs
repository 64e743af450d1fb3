//! What the gateway counts: read from its admin listener, by a real Prometheus, and by promtool.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::programs::{self, free_address};
use super::{Answer, Connection, Gateway, Request, command, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a gateway counts, by series as the text format writes it.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The values.
    pub series: BTreeMap<String, f64>,
    /// All of it.
    pub text: String,
}

/// A Prometheus that scrapes one gateway every second; ends when dropped.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Scrape {
    /// Asks for it.
    #[track_caller]
    pub fn of(gateway: &Gateway) -> Self {
        let answer = ask_admin(gateway, &Request::get("/metrics"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let series = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            (series.to_owned(), value.parse().expect("a number"))
        });
        let series = series.collect();
        Self { series, text }
    }

    /// The value of a series, which must be there.
    #[track_caller]
    pub fn get(&self, series: &str) -> f64 {
        match self.series.get(series) {
            Some(value) => *value,
            None => panic!("there is no {series} in\n{}", self.text),
        }
    }

    /// Waits until a series has this value: some things are counted after the answer has gone.
    #[track_caller]
    pub fn wait_for(gateway: &Gateway, series: &str, value: f64) {
        let what = format!("{series} to be {value}");
        wait_until(&what, PATIENCE, || Self::of(gateway).get(series) == value);
    }

    /// The names of the metrics, as queries name them.
    pub fn names(&self) -> Vec<&str> {
        let series = self.series.keys();
        let mut names: Vec<&str> = series
            .map(|series| series.split('{').next().expect("a name"))
            .collect();
        names.dedup();
        names
    }
}

impl Prometheus {
    /// Starts it, with the rules of `deploy/`.
    pub fn watching(gateway: &Gateway) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let rules = deploy().join("prometheus-rules.yml");
        let text = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n- job_name: vestibule\n  static_configs:\n  - targets: [\"{}\"]\n",
            gateway.admin_address()
        );
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, text).expect("it is writable");
        let address = free_address();
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--storage.tsdb.path={}", folder.path().display()))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prometheus starts");
        let prometheus = Self {
            child,
            address,
            _folder: folder,
        };
        wait_until("Prometheus to be ready", PATIENCE, || {
            TcpStream::connect(address).is_ok() && prometheus.get("/-/ready").status == 200
        });
        prometheus
    }

    /// What it answers to a GET.
    pub fn get(&self, target: &str) -> Answer {
        let mut connection = Connection::open(self.address);
        connection.send(Request::get(target).to_bytes());
        connection.answer()
    }

    /// What it finds for an expression.
    #[track_caller]
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .finish();
        let told = self.get(&format!("/api/v1/query?{query}")).json();
        assert_eq!(told["status"], "success", "{expression}: {told}");
        let result = told["data"]["result"].as_array();
        result.expect("an instant query gives a list").clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks the admin listener.
pub fn ask_admin(gateway: &Gateway, request: &Request) -> Answer {
    let mut connection = gateway.connect_admin();
    connection.send(request.to_bytes());
    connection.answer()
}

/// Runs promtool.
pub fn promtool(arguments: &[&str], input: &str) -> command::Finished {
    let mut promtool = Command::new(program("promtool"));
    promtool.args(arguments);
    command::run(promtool, input)
}

/// Where the files for those who run vestibule are.
pub fn deploy() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn program(name: &str) -> std::path::PathBuf {
    programs::installed().join("prometheus/usr/bin").join(name)
}
