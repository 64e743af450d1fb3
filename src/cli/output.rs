//! Where the command line writes: nothing that others named does anything in a terminal, and a reader
//! that has gone away is no failure.

use std::io::{self, Write};

/// Writes text to standard output.
pub(super) fn print(text: &str) -> io::Result<()> {
    let text = written_out(text, |c| is_obeyed(c) && !matches!(c, '\n' | '\t'));
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes an error and its causes to standard error.
pub(super) fn complain(error: &anyhow::Error) {
    remark(&format!("{error:#}"));
}

/// Writes what is said beside the outcome to standard error.
pub(super) fn remark(text: &str) {
    let text = written_out(text, |c| is_obeyed(c) && !matches!(c, '\n' | '\t'));
    // Where standard error is closed, nobody wants to know; the exit code is said all the same.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Words that others chose, for a place in a line: they neither end it nor do anything in a terminal.
pub(super) fn shown(text: &str) -> String {
    written_out(text, is_obeyed)
}

/// JSON that programs read as it was, and that does nothing in a terminal. Line ends stand between
/// its tokens only.
pub(super) fn shown_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_obeyed(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            shown.push_str(&format!("\\u{unit:04x}"));
        }
    }
    shown
}

fn written_out(text: &str, is_meant: impl Fn(char) -> bool) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match is_meant(c) {
            true => written.extend(c.escape_unicode()),
            false => written.push(c),
        }
    }
    written
}

/// Whether a terminal does something else with it than to show it: control characters, ends of lines,
/// what turns the direction of text around it (Unicode Standard Annex 9), and what cannot be seen. The
/// joiners stay, without which several scripts cannot be written.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}'
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Items in one line.
pub(super) fn joined<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

/// Rows as aligned columns, two spaces between them and `indent` before them. The cells may hold any
/// words.
pub(super) fn columns<const N: usize>(indent: &str, rows: &[[String; N]]) -> String {
    let cells = |row: &[String; N]| row.each_ref().map(|cell| shown(cell));
    let rows: Vec<[String; N]> = rows.iter().map(cells).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(indent);
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(
            columns("> ", &[row("äää", "x"), row("b", ""), row("", "y")]),
            "> äää  x\n> b\n>      y\n"
        );
    }

    /// Sets a title, turns a line around, ends it, hides.
    const HOSTILE: &str = "a\u{1b}]0;x\u{7}\u{9b}31m\u{202e}b\r\n\u{2028}\u{e0041}\u{7f}";

    fn is_harmless(text: &str) -> bool {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\n')
    }

    #[test]
    fn words_of_others_do_nothing_in_a_terminal() {
        let told = shown(HOSTILE);
        assert_eq!(
            told,
            "a\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{202e}b\\u{d}\\u{a}\\u{2028}\\u{e0041}\\u{7f}"
        );
        let table = columns("", &[[HOSTILE.to_owned(), "next".to_owned()]]);
        assert_eq!(table, format!("{told}  next\n"));
        let json = serde_json::to_string_pretty(&[HOSTILE]).unwrap();
        let harmless = shown_json(&json);
        assert!(is_harmless(&harmless), "{harmless:?}");
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&harmless).unwrap(),
            [HOSTILE]
        );
    }

    #[test]
    fn names_in_every_script_stay_as_they_are() {
        for name in [
            "Ada \"the first\", O'Hara",
            r"DOMAIN\ada",
            "ゞ愛田 ä e\u{301}",
            "प्रिया",
            "می\u{200c}خواهم",
            "\u{1f469}\u{200d}\u{1f680}",
        ] {
            assert_eq!(shown(name), name);
        }
    }
}
