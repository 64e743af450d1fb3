//! How may an app, or what stands before it, rewrite a path before reading it? One small step each.

use std::borrow::Cow;

use crate::request::PathError;

/// One step; `None` where it changes nothing.
pub(super) type Rewrite = fn(&str) -> Option<String>;

/// Steps that take percent signs away; an app does this once, or twice by mistake.
pub(super) const DECODINGS: &[Rewrite] = &[decode, decode_but_separators];

/// Steps that may follow each other in any order and number.
pub(super) const REARRANGEMENTS: &[Rewrite] = &[
    decode_dots,
    turn_backslashes,
    merge_slashes,
    drop_authority,
    drop_authority_after_slashes,
    drop_parameters,
    resolve_dots,
    drop_unseen,
    drop_controls_at_end,
    cut_at_query,
    cut_at_fragment,
    cut_at_nul,
    drop_one_trailing,
    drop_all_trailing,
];

/// Refuses a path whose first decoding apps would not agree about.
pub(super) fn check_escapes(path: &str) -> Result<(), PathError> {
    let complete = path.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut is_digit = || digits.next().is_some_and(|b| b.is_ascii_hexdigit());
        is_digit() && is_digit()
    });
    if !complete {
        return Err(PathError::BadEscape);
    }
    match percent_encoding::percent_decode_str(path).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(PathError::NotUtf8),
    }
}

/// Decodes as lenient apps do: a lone percent sign stays, bytes that are not UTF-8 become U+FFFD.
/// Only a second decoding can meet them, because [`check_escapes`] refuses them in the first.
fn decode(path: &str) -> Option<String> {
    path.contains('%').then(|| {
        percent_encoding::percent_decode_str(path)
            .decode_utf8_lossy()
            .into_owned()
    })
}

/// Decodes all but slashes and backslashes: to such apps `%2f` is part of a name.
fn decode_but_separators(path: &str) -> Option<String> {
    let kept = ["%2f", "%2F", "%5c", "%5C"];
    if !kept.iter().any(|escape| path.contains(escape)) {
        return None;
    }
    let shielded = kept.iter().fold(Cow::Borrowed(path), |path, escape| {
        Cow::Owned(path.replace(escape, &escape.replace('%', "%25")))
    });
    decode(&shielded)
}

/// URL parsers that leave every other escape alone see a dot segment in `%2e%2e` (WHATWG URL).
fn decode_dots(path: &str) -> Option<String> {
    (path.contains("%2e") || path.contains("%2E"))
        .then(|| path.replace("%2e", ".").replace("%2E", "."))
}

fn turn_backslashes(path: &str) -> Option<String> {
    path.contains('\\').then(|| path.replace('\\', "/"))
}

fn merge_slashes(path: &str) -> Option<String> {
    path.contains("//").then(|| {
        let mut merged = String::with_capacity(path.len());
        for c in path.chars() {
            if c != '/' || !merged.ends_with('/') {
                merged.push(c);
            }
        }
        merged
    })
}

/// `//host/path` is a reference to another host (RFC 3986 §4.2); an app that resolves it is left with
/// `/path`.
fn drop_authority(path: &str) -> Option<String> {
    let rest = path.strip_prefix("//")?;
    Some(from_slash(rest).to_owned())
}

/// To URL parsers it is one however many slashes it begins with (WHATWG URL).
fn drop_authority_after_slashes(path: &str) -> Option<String> {
    path.starts_with("//")
        .then(|| from_slash(path.trim_start_matches('/')).to_owned())
}

fn from_slash(path: &str) -> &str {
    path.find('/').and_then(|at| path.get(at..)).unwrap_or("/")
}

fn drop_parameters(path: &str) -> Option<String> {
    path.contains(';').then(|| {
        each_segment(path, |segment| {
            segment.split_once(';').map_or(segment, |(name, _)| name)
        })
    })
}

/// RFC 3986 §5.2.4; what climbs above the root stays there.
fn resolve_dots(path: &str) -> Option<String> {
    let is_dots = |segment| segment == "." || segment == "..";
    if !path.split('/').any(is_dots) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let directory = path.rsplit('/').next().is_some_and(is_dots);
    if directory {
        kept.push("");
    }
    Some(format!("/{}", kept.join("/")))
}

/// URL parsers drop tabs and line ends wherever they stand (WHATWG URL); filters of input drop NUL.
fn drop_unseen(path: &str) -> Option<String> {
    const GONE: [char; 4] = ['\t', '\r', '\n', '\0'];
    path.contains(GONE).then(|| path.replace(GONE, ""))
}

/// They drop all control characters and spaces at the end.
fn drop_controls_at_end(path: &str) -> Option<String> {
    let kept = path.trim_end_matches(|c| c <= ' ');
    (kept.len() < path.len()).then(|| kept.to_owned())
}

fn cut_at_query(path: &str) -> Option<String> {
    cut(path, '?')
}

fn cut_at_fragment(path: &str) -> Option<String> {
    cut(path, '#')
}

fn cut_at_nul(path: &str) -> Option<String> {
    cut(path, '\0')
}

fn cut(path: &str, at: char) -> Option<String> {
    path.split_once(at).map(|(before, _)| before.to_owned())
}

/// File systems that drop trailing dots and spaces (Windows) may do so before or after they look for
/// dot segments: `...` may be `..`, so they go one at a time.
fn drop_one_trailing(path: &str) -> Option<String> {
    rewrite_segments(path, |segment| match segment {
        "." | ".." => segment,
        _ => segment.strip_suffix(['.', ' ']).unwrap_or(segment),
    })
}

/// … and all at once: `...` may be nothing.
fn drop_all_trailing(path: &str) -> Option<String> {
    rewrite_segments(path, |segment| match segment {
        "." | ".." => segment,
        _ => segment.trim_end_matches(['.', ' ']),
    })
}

fn rewrite_segments(path: &str, keep: impl Fn(&str) -> &str) -> Option<String> {
    path.split('/')
        .any(|segment| keep(segment) != segment)
        .then(|| each_segment(path, keep))
}

fn each_segment(path: &str, keep: impl Fn(&str) -> &str) -> String {
    let mut kept = String::with_capacity(path.len());
    for (place, segment) in path.split('/').enumerate() {
        if place > 0 {
            kept.push('/');
        }
        kept.push_str(keep(segment));
    }
    kept
}
