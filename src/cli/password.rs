//! A new password, from the terminal or from standard input; never from an argument, which others
//! could see.

use std::io::{self, BufRead, IsTerminal as _};

use anyhow::{Context as _, bail, ensure};

use crate::identity::Secret;
use crate::identity::password::{Owner, PasswordRules};

/// More than any acceptable password has, in bytes.
const LONGEST_LINE: u64 = 4096;

/// Asks twice at a terminal; takes one line where standard input is something else.
pub(super) fn ask_new(owner: Owner<'_>, rules: &PasswordRules) -> anyhow::Result<Secret<String>> {
    let input = io::stdin();
    if !input.is_terminal() {
        let password = first_line(input.lock())?;
        rules.check(&password, owner)?;
        return Ok(password);
    }
    let first = typed(&format!("New password for {}: ", owner.name))?;
    rules.check(&first, owner)?;
    let second = typed("The same again: ")?;
    ensure!(
        first == second,
        "the two passwords differ: nothing was changed"
    );
    Ok(first)
}

/// Asks a yes-or-no question at a terminal. Anything but yes is no.
pub(super) fn is_sure(question: &str) -> anyhow::Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        bail!("{question} Add --yes to answer in advance");
    }
    super::output::print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn typed(prompt: &str) -> anyhow::Result<Secret<String>> {
    let password = rpassword::prompt_password(prompt).context("cannot ask at the terminal")?;
    Ok(Secret::new(password))
}

fn first_line(input: impl BufRead) -> anyhow::Result<Secret<String>> {
    let mut line = String::new();
    input
        .take(LONGEST_LINE)
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    if line.ends_with('\n') {
        line.pop();
    }
    if line.ends_with('\r') {
        line.pop();
    }
    let password = Secret::new(line);
    ensure!(
        !password.expose().is_empty(),
        "no password came on standard input: write it there as one line"
    );
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_the_input_is_the_password() {
        for (input, password) in [
            ("correct horse\n", Some("correct horse")),
            ("correct horse\r\n", Some("correct horse")),
            ("  spaces count  ", Some("  spaces count  ")),
            ("päßwörd!\nmore\n", Some("päßwörd!")),
            ("", None),
            ("\n", None),
        ] {
            let read = first_line(input.as_bytes()).ok();
            let read = read.as_ref().map(|secret| secret.expose().as_str());
            assert_eq!(read, password, "{input:?}");
        }
        assert!(first_line(&b"\xff\xff\xff\xff\xff\xff\xff\xff\n"[..]).is_err());
        let endless = first_line(io::BufReader::new(io::repeat(b'x'))).unwrap();
        assert_eq!(endless.expose().len(), 4096, "too long for every rule");
    }
}
