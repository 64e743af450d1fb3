//! `[pages]`: what the pages show of the place they stand before, and the files that replace ours.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::problem::Complaint;
use super::read::Node;
use super::section::Section;
use super::value::text;

/// The most bytes of one file. All of them are held in memory.
const LARGEST: u64 = 256 * 1024;

/// The most characters of the name.
const LONGEST_NAME: usize = 80;

/// The most characters of the notice.
const LONGEST_NOTICE: usize = 1000;

/// `[pages]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagesSettings {
    /// What is behind the door, as people call it; may be empty.
    pub name: String,
    /// A few words on the sign-in page; may be empty.
    pub notice: String,
    /// The colour of buttons and links.
    pub accent: Option<Color>,
    /// The picture above every page.
    pub logo: Option<Logo>,
    /// Templates, style sheet and languages instead of ours or beside them, by their file names.
    pub files: BTreeMap<String, String>,
}

/// A colour: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// What its name ends with, such as `svg`.
    pub extension: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// The file.
    pub content: Vec<u8>,
}

/// Relative paths start at `folder`.
pub(super) fn read(mut section: Section<'_>, folder: &Path) -> PagesSettings {
    let pages = PagesSettings {
        name: section.option("name", String::new(), |node| short(node, LONGEST_NAME)),
        notice: section.option("notice", String::new(), |node| short(node, LONGEST_NOTICE)),
        accent: section.option("accent", None, color),
        logo: section.option("logo", None, |node| logo(node, folder)),
        files: section.option("folder", BTreeMap::new(), |node| files(node, folder)),
    };
    section.finish();
    pages
}

fn short(node: &Node, most: usize) -> Result<String, Complaint> {
    let text = text(node)?.trim();
    let is_odd = |c: char| c.is_control() && c != '\n';
    if text.chars().count() > most || text.contains(is_odd) {
        let problem = "this is too long, or holds control characters";
        return Err(
            Complaint::new(problem).hint(format!("at most {most} characters of plain text"))
        );
    }
    Ok(text.to_owned())
}

fn color(node: &Node) -> Result<Option<Color>, Complaint> {
    let text = text(node)?;
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let color = value.map(|value| {
        let [_, red, green, blue] = value.to_be_bytes();
        Color([red, green, blue])
    });
    color.map(Some).ok_or_else(|| {
        Complaint::new(format!("{text:?} is not a colour"))
            .hint("write \"#1f5fbf\", or \"\" for ours")
    })
}

fn logo(node: &Node, folder: &Path) -> Result<Option<Logo>, Complaint> {
    const KINDS: [(&str, &str); 5] = [
        ("svg", "image/svg+xml"),
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
        ("avif", "image/avif"),
    ];
    let text = text(node)?;
    if text.is_empty() {
        return Ok(None);
    }
    let path = folder.join(text);
    let extension = path.extension().unwrap_or_default();
    let (extension, media_type) = KINDS
        .into_iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known))
        .ok_or_else(|| {
            let known = KINDS.map(|(extension, _)| extension).join(", ");
            Complaint::new(format!("{text:?} is not a picture that browsers show"))
                .hint(format!("its name must end with one of: {known}"))
        })?;
    let content = whole(&path)?;
    Ok(Some(Logo {
        extension,
        media_type,
        content,
    }))
}

/// All templates, languages and style sheets in the folder.
fn files(node: &Node, folder: &Path) -> Result<BTreeMap<String, String>, Complaint> {
    let text = text(node)?;
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let folder = folder.join(text);
    let entries = fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(&folder, &error))?.path();
        let is_ours = ["html", "css", "toml"].map(|kind| path.extension() == Some(kind.as_ref()));
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if is_ours.contains(&true) {
            let content = String::from_utf8(whole(&path)?)
                .map_err(|_| Complaint::new(format!("{} is not UTF-8", path.display())))?;
            files.insert(name.to_owned(), content);
        }
    }
    Ok(files)
}

fn whole(path: &Path) -> Result<Vec<u8>, Complaint> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content));
    let length = read.map_err(|error| unreadable(path, &error))?;
    if u64::try_from(length).is_ok_and(|length| length > LARGEST) {
        let problem = format!("{} is larger than {} KiB", path.display(), LARGEST / 1024);
        return Err(Complaint::new(problem).hint("pages are to be quick: make it smaller"));
    }
    Ok(content)
}

fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    match error.kind() {
        io::ErrorKind::NotFound => Complaint::new(format!("there is no {}", path.display())),
        _ => Complaint::new(format!("{} cannot be read: {error}", path.display())),
    }
    .hint("relative paths start at the folder of this file; \"\" is none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn read(lines: &str, folder: &Path) -> Result<Config, ConfigError> {
        let text = format!("[[routes]]\nupstream = 'http://h:1'\n[pages]\n{lines}");
        parse(&text, folder)
    }

    #[test]
    fn pages_are_plain_unless_told_otherwise() {
        let nowhere = Path::new("");
        let plain = read("", nowhere).unwrap().pages;
        assert_eq!(plain, PagesSettings::default());
        let empty = "name = ''\nnotice = ''\naccent = ''\nlogo = ''\nfolder = ''";
        assert_eq!(read(empty, nowhere).unwrap().pages, plain);
        let pages = read("name = ' Ada & Co '\naccent = '#1F5fbf'", nowhere)
            .unwrap()
            .pages;
        assert_eq!(pages.name, "Ada & Co");
        assert_eq!(pages.accent, Some(Color([0x1f, 0x5f, 0xbf])));
    }

    #[test]
    fn files_are_read_with_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("pages");
        fs::create_dir(&inner).unwrap();
        for (name, content) in [("de.toml", "a"), ("login.html", "b"), ("notes.txt", "c")] {
            fs::write(inner.join(name), content).unwrap();
        }
        fs::write(folder.path().join("logo.SVG"), "<svg/>").unwrap();
        let pages = read("folder = 'pages'\nlogo = 'logo.SVG'", folder.path())
            .unwrap()
            .pages;
        let names: Vec<&str> = pages.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["de.toml", "login.html"]);
        let logo = pages.logo.unwrap();
        assert_eq!((logo.extension, logo.media_type), ("svg", "image/svg+xml"));
        assert_eq!(logo.content, b"<svg/>");
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("large.png"), vec![0; 256 * 1024 + 1]).unwrap();
        fs::write(folder.path().join("bad.css"), b"\xff").unwrap();
        let long = format!("name = '{}'", "a".repeat(81));
        for (lines, told) in [
            (
                "name = \"a\\u0007\"",
                "pages.name: this is too long, or holds control",
            ),
            (&*long, "pages.name: this is too long"),
            ("accent = 'red'", "pages.accent: \"red\" is not a colour"),
            ("accent = '#12345'", "is not a colour"),
            ("logo = 'logo.txt'", "is not a picture that browsers show"),
            ("logo = 'missing.png'", "pages.logo: there is no "),
            ("logo = 'large.png'", "is larger than 256 KiB"),
            ("folder = 'missing'", "pages.folder: there is no "),
            ("folder = '.'", "bad.css is not UTF-8"),
        ] {
            let refused = read(lines, folder.path()).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
