//! `vestibule completions` and `vestibule man`: the command line, described for shells and for `man`.

use anyhow::{Context as _, bail};
use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::output;

#[derive(Args)]
#[command(after_help = "For bash, in ~/.bashrc:\n  source <(vestibule completions bash)")]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
#[command(
    after_help = "To read it:\n  vestibule man | man -l -\n  vestibule man user add | man -l -"
)]
pub(super) struct Man {
    /// A command, such as `user add`; without it, the program.
    command: Vec<String>,
}

impl Completions {
    /// Prints the script that the shell reads.
    pub(super) fn print(self, mut program: Command) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "vestibule", &mut script);
        output::print(&String::from_utf8(script)?)?;
        Ok(())
    }
}

impl Man {
    /// Prints the page in roff.
    pub(super) fn print(self, program: Command) -> anyhow::Result<()> {
        let mut program = program.disable_help_subcommand(true);
        program.build();
        let mut command = &program;
        for name in &self.command {
            let Some(found) = command.find_subcommand(name) else {
                bail!("there is no command {name}: `vestibule --help` lists them");
            };
            command = found;
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone())
            .render(&mut page)
            .context("the page cannot be made")?;
        output::print(&String::from_utf8(page)?)?;
        Ok(())
    }
}
