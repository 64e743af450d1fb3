//! Is this one of the passwords that everybody tries first?
//!
//! common.txt holds what is tried: some 3200 passwords of eight characters and more, in lower case and
//! in order. They are from the 10,000 most frequent of the "10 million passwords" that Mark Burnett gave
//! to the public domain in 2015, as listed in SecLists (<https://github.com/danielmiessler/SecLists>,
//! xato-net-10-million-passwords-10000.txt; MIT licence, copyright Daniel Miessler).

use std::cmp::Ordering;

const COMMON: &str = include_str!("common.txt");

/// Whether the built-in list holds this text, which is in lower case.
pub(super) fn is_common(text: &str) -> bool {
    holds(COMMON, text)
}

/// Whether one of these lines, which are in order, is this text.
pub(super) fn holds(mut lines: &str, text: &str) -> bool {
    while !lines.is_empty() {
        let (before, line, after) = around_the_middle(lines);
        lines = match text.cmp(line) {
            Ordering::Less => before,
            Ordering::Equal => return true,
            Ordering::Greater => after,
        };
    }
    false
}

/// The line in the middle, and the lines before and after it.
fn around_the_middle(lines: &str) -> (&str, &str, &str) {
    let (half, _) = lines.as_bytes().split_at(lines.len() / 2);
    let start = half.iter().rposition(|byte| *byte == b'\n');
    // Next to a line's end is always the start of a character.
    let (before, rest) = lines.split_at(start.map_or(0, |end| end + 1));
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    (before, line, after)
}

/// The lines of a text in lower case and in order, empty ones left out.
pub(super) fn in_order(text: &str) -> String {
    let text = text.to_lowercase();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_3000_most_common_passwords_are_known() {
        assert!(COMMON.lines().count() >= 3000);
        assert!(COMMON.lines().all(is_common), "in order");
        assert!(COMMON.lines().all(|line| line.chars().count() >= 8));
        assert_eq!(COMMON.trim_end(), in_order(COMMON));
        for common in [
            "password",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "password123",
        ] {
            assert!(is_common(common), "{common}");
        }
        for rare in ["", "correct horse", "zzzzzzzzzzzz", "password\n", "passwor"] {
            assert!(!is_common(rare), "{rare:?}");
        }
    }

    #[test]
    fn each_line_is_found_and_nothing_else() {
        let lines = in_order("Zebra\r\n\nähre\nante\n\nzoo");
        assert_eq!(lines, "ante\nzebra\nzoo\nähre");
        for line in ["ante", "zebra", "zoo", "ähre"] {
            assert!(holds(&lines, line), "{line}");
        }
        for other in ["", "a", "ant", "antes", "zo", "zooo", "ä", "ährig"] {
            assert!(!holds(&lines, other), "{other}");
        }
        assert!(!holds("", "ante") && holds("ante", "ante"));
    }
}
