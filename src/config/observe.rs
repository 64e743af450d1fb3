//! `[observe]`: what is written down about the running program, in which form and where.

use std::path::{Path, PathBuf};

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::traces::{self, TraceSettings};
use super::value::{choice, flag, text};

/// `[observe]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserveSettings {
    /// How the application log is written.
    pub log_format: LogFormat,
    /// The least level that the application log holds.
    pub log_level: LogLevel,
    /// `[observe.access_log]`; `None`: off.
    pub access_log: Option<AccessLogSettings>,
    /// `[observe.audit_log]`; `None`: off.
    pub audit_log: Option<LogTarget>,
    /// `[observe.traces]`; `None`: off.
    pub traces: Option<TraceSettings>,
}

/// How the application log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// As text on a terminal, as JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How much the application log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// What an operator wants to know.
    Info,
    /// What should be looked at.
    Warn,
    /// What failed.
    Error,
}

/// `[observe.access_log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// Where it goes.
    pub to: LogTarget,
    /// How a line is written.
    pub format: AccessFormat,
    /// Write the query of a request's target, too.
    pub query: bool,
}

/// How a line of the access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// One JSON object a line.
    Json,
    /// NCSA combined, with fields of ours behind it.
    Combined,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, to which lines are added.
    File(PathBuf),
}

/// `None` where a problem was noted.
pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<ObserveSettings> {
    let formats = [
        ("auto", LogFormat::Auto),
        ("text", LogFormat::Text),
        ("json", LogFormat::Json),
    ];
    let levels = [
        ("trace", LogLevel::Trace),
        ("debug", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("warn", LogLevel::Warn),
        ("error", LogLevel::Error),
    ];
    let log_format = section.option("log_format", LogFormat::Auto, choice(&formats));
    let log_level = section.option("log_level", LogLevel::Info, choice(&levels));
    let access_log = access_log(section.section("access_log"), folder);
    let mut audit = section.section("audit_log");
    let audit_log = audit.parsed("to", "stdout", target(folder));
    audit.finish();
    let traces = traces::read(section.section("traces"));
    section.finish();
    Some(ObserveSettings {
        log_format,
        log_level,
        access_log: access_log?,
        audit_log: audit_log?,
        traces: traces?,
    })
}

fn access_log(mut section: Section<'_>, folder: &Path) -> Option<Option<AccessLogSettings>> {
    let formats = [
        ("json", AccessFormat::Json),
        ("combined", AccessFormat::Combined),
    ];
    let to = section.parsed("to", "stdout", target(folder));
    let format = section.option("format", AccessFormat::Json, choice(&formats));
    let query = section.option("query", false, flag);
    section.finish();
    Some(to?.map(|to| AccessLogSettings { to, format, query }))
}

/// `None` for `"off"`.
fn target(folder: &Path) -> impl Fn(&Node) -> Result<Option<LogTarget>, Complaint> {
    move |node| match text(node)? {
        "off" => Ok(None),
        "stdout" => Ok(Some(LogTarget::Stdout)),
        "stderr" => Ok(Some(LogTarget::Stderr)),
        path if path.is_empty() || path.ends_with('/') => {
            Err(Complaint::new(format!("{path:?} is no file"))
                .hint("write \"stdout\", \"stderr\", \"off\" or the path of a file"))
        }
        path => Ok(Some(LogTarget::File(folder.join(path)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn config(lines: &str) -> Result<Config, ConfigError> {
        let text = format!("[[routes]]\nupstream = \"http://127.0.0.1:3000\"\n[observe]\n{lines}");
        parse(&text, Path::new("/etc/v"))
    }

    #[test]
    fn logs_go_to_streams_files_or_nowhere() {
        let observe = config("").unwrap().observe;
        let access = observe.access_log.unwrap();
        assert_eq!((access.to, access.query), (LogTarget::Stdout, false));
        assert_eq!(observe.audit_log, Some(LogTarget::Stdout));
        let lines = "access_log = { to = 'a.log', format = 'combined' }\naudit_log.to = 'off'";
        let observe = config(lines).unwrap().observe;
        let access = observe.access_log.unwrap();
        assert_eq!(access.to, LogTarget::File("/etc/v/a.log".into()));
        assert_eq!(access.format, AccessFormat::Combined);
        assert_eq!(observe.audit_log, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, key) in [
            ("log_format = 'xml'", "log_format"),
            ("log_level = 'loud'", "log_level"),
            ("access_log = true", "access_log"),
            ("access_log.to = ''", "access_log.to"),
            ("access_log.to = 'logs/'", "access_log.to"),
            ("access_log.format = 'common'", "access_log.format"),
            ("access_log.query = 'yes'", "access_log.query"),
            ("audit_log.format = 'json'", "audit_log.format"),
            ("audit_log.to = 1", "audit_log.to"),
        ] {
            let said = config(line).unwrap_err().to_string();
            assert!(said.contains(&format!(":4: observe.{key}: ")), "{said}");
            assert!(said.ends_with("1 problem in /etc/v/config.toml"), "{said}");
        }
    }
}
