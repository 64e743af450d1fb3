//! `[server.tls]`: the certificate that `https://` listeners show, and its key.

use std::path::{Path, PathBuf};

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::text;

/// `[server.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The file of the certificate and those between it and its authority's, in PEM.
    pub cert: PathBuf,
    /// The file of its private key, in PEM.
    pub key: PathBuf,
}

/// Relative paths start at `folder`. `None` where neither is given, or a problem was noted.
pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<TlsSettings> {
    let cert = section.given("cert", |node| file(node, folder));
    let key = section.given("key", |node| file(node, folder));
    let missing = match (section.was_given("cert"), section.was_given("key")) {
        (true, false) => Some("key"),
        (false, true) => Some("cert"),
        (true, true) | (false, false) => None,
    };
    if let Some(missing) = missing {
        let hint = "cert and key go together: name both files, in PEM";
        section.refuse(missing, Complaint::new("it is missing").hint(hint));
    }
    section.finish();
    Some(TlsSettings {
        cert: cert?,
        key: key?,
    })
}

fn file(node: &Node, folder: &Path) -> Result<PathBuf, Complaint> {
    match text(node)? {
        "" => Err(Complaint::new("the path is empty").hint("name a file in PEM")),
        path => Ok(folder.join(path)),
    }
}
