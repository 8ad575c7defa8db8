//! `kubectl kv completion SHELL`: prints what makes a shell complete `kubectl-kv`.

use std::io::{Write, stdout};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::failure::Failure;

/// `kubectl kv completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: CompletionShell,
}

/// The shells whose completions are tried by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// bash, with bash-completion.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
    /// A script kubectl_complete-kv for the PATH, with which kubectl itself completes `kubectl kv`.
    Kubectl,
}

/// Prints the script.
///
/// # Errors
/// Where standard output is closed.
pub fn run(args: &CompletionArgs) -> Result<(), Failure> {
    stdout().write_all(&script(args.shell)).map_err(|error| Failure::output(&error))
}

fn script(shell: CompletionShell) -> Vec<u8> {
    let shell = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
        CompletionShell::Kubectl => return include_bytes!("kubectl_complete.bash").to_vec(),
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "kubectl-kv", &mut script);
    if shell != Shell::Bash {
        return script;
    }
    // clap_complete 4.6.11 spells the dash of our name in two ways, so that bash finds the commands and nothing behind
    // them. One spelling for both.
    String::from_utf8_lossy(&script).replace("kubectl__subcmd__kv", "kubectl__kv").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [CompletionShell::Bash, CompletionShell::Zsh, CompletionShell::Fish] {
            let script = String::from_utf8(script(shell)).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell:?} {}", command.get_name());
            }
        }
    }
}
