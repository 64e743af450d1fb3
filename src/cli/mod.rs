//! The command line: what can be asked of the program, and its exit code.

mod ask;
mod check;
mod demo;
mod demo_app;
mod explain;
mod explanation;
mod healthcheck;
mod import;
mod key;
mod listing;
mod manual;
mod output;
mod password;
mod reason;
mod reload;
mod serve;
mod session;
mod storage;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{self, Config, ConfigError};

/// A gateway that signs people in before they reach an app that has no sign-in of its own.
///
/// It stands in front of the app, keeps people signed in, and tells the app who is asking.
/// Start with `vestibule demo`.
#[derive(Parser)]
#[command(
    name = "vestibule",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 it failed and says why, 2 wrong usage."
)]
struct Arguments {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "VESTIBULE_CONFIG",
        // Behind the options that a command has for itself.
        display_order = 900,
        hide_env_values = true,
        default_value = "config.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try it: a gateway in front of a small built-in app; nothing to configure
    Demo,
    /// Run the gateway until SIGTERM or Ctrl-C
    #[command(
        after_help = "On SIGHUP it opens its log files anew and reads its configuration again."
    )]
    Serve,
    /// Have the running gateway read its configuration again, without losing a connection
    #[command(
        after_help = "It asks the admin API, which server.admin_token_file turns on. SIGHUP to the \
                      process does the same\nwithout it; what came of that is in the log."
    )]
    Reload,
    /// Read the configuration and say all that is wrong with it
    Check,
    /// Add, show, change and remove the people who may sign in
    #[command(subcommand)]
    User(user::Command),
    /// See who is signed in where, and end that
    #[command(subcommand)]
    Session(session::Command),
    /// See the keys of this installation, replace them, take one away
    #[command(subcommand)]
    Key(key::Command),
    /// Ask the running gateway whether it is ready; for containers without a shell
    Healthcheck,
    /// Say what would become of a request: route, rule, answer, and the headers the app would see
    Explain(explain::Question),
    /// Print completions for a shell
    Completions(manual::Completions),
    /// Print the manual page of the program or of one command
    Man(manual::Man),
}

/// Does what the command line says. Wrong usage is told, and is code 2.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return say_instead(&error),
    };
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says what there is to say where the command line asks for nothing that can be done: help, which is
/// our own words, or what is wrong with it, which quotes it.
fn say_instead(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Where nobody reads it, nobody wants to know; the exit code is said all the same.
            let _ = error.print();
        }
        _ => output::remark(error.render().to_string().trim_end()),
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn execute(arguments: Arguments) -> anyhow::Result<()> {
    let file = arguments.config;
    let named = file.clone();
    let load = move || -> Result<Config, ConfigError> { config::load(&named, std::env::vars_os()) };
    match arguments.command {
        Command::Demo => demo::run(),
        Command::Serve => serve::run(Box::new(load)),
        Command::Reload => reload::run(&load()?),
        Command::Check => check::run(&load()?, &file),
        Command::User(command) => user::run(command, &load()?),
        Command::Session(command) => session::run(command, &load()?),
        Command::Key(command) => key::run(command, &load()?),
        Command::Healthcheck => healthcheck::run(load()?.server.admin_listen),
        Command::Explain(question) => explain::run(question, load()?),
        Command::Completions(shell) => shell.print(Arguments::command()),
        Command::Man(page) => page.print(Arguments::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn usage_is_checked_before_anything_is_done() {
        for (line, is_good) in [
            ("vestibule serve", true),
            ("vestibule --config x.toml check", true),
            ("vestibule check --config x.toml", true),
            ("vestibule user add ada --group ops --group dev", true),
            ("vestibule user set ada --no-email", true),
            ("vestibule user list --json", true),
            ("vestibule session list --user ada --json", true),
            ("vestibule session revoke AAAAAAAAAAAAAAAAAAAAAA", true),
            ("vestibule session revoke -AAAAAAAAAAAAAAAAAAAAA", true),
            ("vestibule session revoke -hVAAAAAAAAAAAAAAAAAAA", true),
            ("vestibule session revoke --AAAAAAAAAAAAAAAAAAAA", true),
            ("vestibule session revoke --user ada", true),
            ("vestibule session revoke --all --yes", true),
            ("vestibule session revoke --all -y", true),
            ("vestibule session revoke", false),
            ("vestibule session revoke short", false),
            ("vestibule session revoke --all --user ada", false),
            (
                "vestibule session revoke AAAAAAAAAAAAAAAAAAAAAA --all",
                false,
            ),
            ("vestibule key list --json", true),
            ("vestibule key", false),
            ("vestibule healthcheck", true),
            ("vestibule reload", true),
            ("vestibule explain GET /x --as ada --json", true),
            ("vestibule completions bash", true),
            ("vestibule man", true),
            ("vestibule", false),
            ("vestibule serv", false),
            ("vestibule user", false),
            ("vestibule user add", false),
            ("vestibule user add ada,bob", false),
            ("vestibule user add ada --email nowhere", false),
            ("vestibule user add ada --password secret", false),
            ("vestibule user set ada", false),
            ("vestibule explain GET", false),
            ("vestibule explain G(T /x", false),
            ("vestibule explain GET x", false),
            ("vestibule explain GET ftp://a/x", false),
            ("vestibule explain GET /x --header name", false),
            ("vestibule explain GET /x --as ada --as-stranger", false),
            ("vestibule explain GET /x --cookie", false),
            ("vestibule completions csh", false),
            ("vestibule user set ada --email a@b --no-email", false),
            ("vestibule user set ada --group ops --no-groups", false),
        ] {
            let parsed = Arguments::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), is_good, "{line}");
        }
    }
}
