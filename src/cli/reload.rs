//! `vestibule reload`: has the running gateway read its configuration again, and says what came of it.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;

use crate::authenticate::admin_token_to_show;
use crate::cli::ask::{Answer, Question, ask, listener};
use crate::cli::output;
use crate::config::Config;

/// How long a reload may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said where the gateway cannot be asked.
const OTHERWISE: &str = "or send SIGHUP to the process, which does the same (`systemctl reload`)";

/// The body of a good answer.
#[derive(Deserialize)]
struct Changes {
    applied: Vec<String>,
    awaiting_restart: Vec<String>,
}

/// The body of any other.
#[derive(Deserialize)]
struct Refusal {
    error_description: String,
}

/// Asks the gateway that runs with this configuration, or with the one before it.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let Some(file) = &config.server.admin.token_file else {
        bail!(
            "server.admin_token_file is not set, so that the gateway cannot be asked: set it, {OTHERWISE}"
        );
    };
    let token = admin_token_to_show(file)?;
    let address = listener(config.server.admin_listen)?;
    let question = Question {
        method: "POST",
        path: "/api/v1/reload",
        token: Some(&token),
        patience: PATIENCE,
    };
    let answer = ask(address, &question)
        .with_context(|| format!("no gateway answers at http://{address}"))?;
    let answer = answer.ok_or_else(|| anyhow!("what answers at http://{address} is no gateway"))?;
    output::print(&said(&answer)?)?;
    Ok(())
}

/// What the answer means to whoever typed the command.
fn said(answer: &Answer) -> anyhow::Result<String> {
    if answer.status == 200 {
        let changes: Changes =
            serde_json::from_slice(&answer.body).context("the gateway's answer cannot be read")?;
        return Ok(changes.in_words());
    }
    let refusal = serde_json::from_slice(&answer.body);
    let reason = refusal.map(|refusal: Refusal| refusal.error_description);
    let reason = reason.unwrap_or_else(|_| format!("its answer has the status {}", answer.status));
    match answer.status {
        401 => bail!(
            "the gateway does not take this admin token: was server.admin_token_file changed since it \
             started? Give it the one before, {OTHERWISE}"
        ),
        404 => bail!(
            "the gateway was started without server.admin_token_file: restart it, {OTHERWISE}"
        ),
        _ => bail!("{}", reason.trim_end_matches('.')),
    }
}

impl Changes {
    fn in_words(&self) -> String {
        let mut said = if self.applied.is_empty() {
            "reloaded: nothing in use has changed\n".to_owned()
        } else {
            format!(
                "reloaded, and in use from now on: {}\n",
                self.applied.join(", ")
            )
        };
        if !self.awaiting_restart.is_empty() {
            let names = self.awaiting_restart.join(", ");
            said.push_str(&format!(
                "changed, and in use after a restart only: {names}\n"
            ));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_put_into_words() {
        for (status, body, words) in [
            (
                200,
                r#"{"applied":["routes","tokens"],"awaiting_restart":[]}"#,
                "reloaded, and in use from now on: routes, tokens\n",
            ),
            (
                200,
                r#"{"applied":[],"awaiting_restart":["storage"]}"#,
                "reloaded: nothing in use has changed\nchanged, and in use after a restart only: storage\n",
            ),
            (200, "hello", "the gateway's answer cannot be read"),
            (
                422,
                r#"{"error":"configuration_refused","error_description":"The old configuration stays in use: x."}"#,
                "The old configuration stays in use: x",
            ),
            (503, "", "its answer has the status 503"),
        ] {
            let body = body.into();
            let words_said = match said(&Answer { status, body }) {
                Ok(said) => said,
                Err(error) => error.to_string(),
            };
            assert_eq!(words_said, words);
        }
        for (status, way_out) in [(401, "Give it the one before"), (404, "restart it")] {
            let body = Vec::new();
            let error = said(&Answer { status, body }).unwrap_err().to_string();
            assert!(
                error.contains(way_out) && error.contains("SIGHUP"),
                "{error}"
            );
        }
    }
}
