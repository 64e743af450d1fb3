//! `[cors]`: whose pages, besides our own, may read what vestibule answers itself.

use crate::policy::AllowedOrigins;
use crate::request::{Origin, Scheme};

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::server::origin;
use super::value::text;

pub(super) fn read(mut section: Section<'_>, warnings: &mut Vec<String>) -> AllowedOrigins {
    let origins = section.list("allowed_origins", &[], allowed);
    section.finish();
    let origins = origins.unwrap_or_default();
    let is_open = |origin: &&Origin| origin.scheme == Scheme::Http && !origin.host.is_loopback();
    for origin in origins.iter().filter(is_open) {
        warnings.push(format!(
            "cors.allowed_origins holds {origin}, which is plain http: whoever is on the way there can \
             put a page in its place and read who is signed in"
        ));
    }
    AllowedOrigins::new(&origins)
}

/// One origin by its name.
fn allowed(node: &Node) -> Result<Origin, Complaint> {
    let written = text(node)?;
    if written.contains('*') {
        let what =
            format!("{written:?} would let pages that nobody here knows read who is signed in");
        return Err(
            Complaint::new(what).hint("name each origin, such as \"https://spa.example.com\"")
        );
    }
    origin(node)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    const ROUTE: &str = "[[routes]]\nupstream = 'http://127.0.0.1:3000'\n";

    #[test]
    fn an_origin_is_named_and_nothing_else() {
        for (written, said) in [
            ("'*'", "would let pages that nobody here knows"),
            ("['https://*.example']", "name each origin"),
            ("'null'", "does not start with http"),
            ("'https://a.example/app'", "has a path"),
            ("['https://a.example', 'https://a b']", "is not a URL"),
        ] {
            let text = format!("{ROUTE}[cors]\nallowed_origins = {written}");
            let told = parse(&text, Path::new("")).unwrap_err().to_string();
            assert!(
                told.contains("cors.allowed_origins") && told.contains(said),
                "{told}"
            );
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let text = format!(
            "{ROUTE}[cors]\nallowed_origins = ['http://localhost:5173', 'https://a.example', 'http://b.example']"
        );
        let config = parse(&text, Path::new("")).unwrap();
        assert!(!config.allowed_origins.is_empty());
        let [warning] = &config.warnings[..] else {
            panic!("{:?}", config.warnings);
        };
        assert!(
            warning.starts_with("cors.allowed_origins holds http://b.example"),
            "{warning}"
        );
    }
}
