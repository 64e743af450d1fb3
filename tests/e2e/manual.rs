//! Completions and manual pages, read by the programs they are for.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::vestibule;

fn printed(arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    vestibule(folder.path(), arguments, "").expect_success().out
}

/// What a program says to this input; `None` where it is not installed.
fn read_by(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && err.is_empty(),
        "{program}: {err}"
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bash_completes_commands() {
    let script = printed(&["completions", "bash"]);
    let complete = |words: &str, place: usize, word: &str| {
        let script = format!(
            "{script}\nCOMP_WORDS=({words})\nCOMP_CWORD={place}\n_vestibule vestibule {word} ''\necho \"${{COMPREPLY[@]}}\"\n"
        );
        read_by("bash", &["--norc", "-s"], &script).expect("bash is there")
    };
    assert_eq!(complete("vestibule us", 1, "us"), "user\n");
    assert_eq!(complete("vestibule user pass", 2, "pass"), "passwd\n");
    assert_eq!(
        complete("vestibule explain --as-", 2, "--as-"),
        "--as-stranger\n"
    );
}

#[test]
fn other_shells_have_completions_too() {
    for (shell, mark) in [
        ("zsh", "#compdef vestibule"),
        ("fish", "complete -c vestibule"),
        ("elvish", "edit:completion:arg-completer[vestibule]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = printed(&["completions", shell]);
        assert!(
            script.contains(mark) && script.contains("passwd"),
            "{shell}"
        );
        if matches!(shell, "zsh" | "fish") {
            let said = read_by(shell, &["-n"], &script);
            assert_eq!(said.unwrap_or_default(), "", "{shell}");
        }
    }
}

#[test]
fn manual_pages_are_rendered() {
    for (command, words) in [
        (
            &[][..],
            &["vestibule", "explain", "completions", "--config"][..],
        ),
        (&["user"], &["passwd", "disable"]),
        (&["user", "add"], &["--group", "--email"]),
    ] {
        let page = printed(&[&["man"], command].concat());
        assert!(page.lines().any(|line| line.starts_with(".TH ")), "{page}");
        let rendered = read_by("groff", &["-man", "-Tutf8", "-P-cbou", "-ww"], &page);
        let rendered = rendered.unwrap_or_else(|| page.replace('\\', ""));
        let rendered = rendered.replace('\u{2010}', "-");
        for word in words {
            assert!(rendered.contains(word), "{word} is not in\n{rendered}");
        }
    }
    let folder = TempDir::new().unwrap();
    let unknown = vestibule(folder.path(), &["man", "usr"], "");
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.err.contains("no command usr"), "{}", unknown.err);
}
