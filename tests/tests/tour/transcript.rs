//! Reads the `console` blocks of a page: each command with the output that the page promises.

use std::path::Path;

/// The kinds of blocks a page may have. Only `console` is executed; the others are there to be read. A kind that is
/// not here fails the test, so that no block is left out by a slip of the pen.
const KNOWN: [&str; 5] = ["console", "sh", "yaml", "text", ""];

/// A block of commands, which share one shell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The commands in order, at least one.
    pub(crate) commands: Vec<Command>,
}

/// A command as it stands on the page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its line on the page, from 1.
    pub(crate) line: usize,
    /// What is typed.
    pub(crate) text: String,
    /// What is promised to be printed, line by line.
    pub(crate) expected: Vec<String>,
}

/// The console blocks of the page at `path`, and the lines of its `sh` blocks.
pub(crate) fn read(path: &Path) -> Result<(Vec<Block>, Vec<String>), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}:{error}", path.display()))
}

fn parse(text: &str) -> Result<(Vec<Block>, Vec<String>), String> {
    let (mut blocks, mut set_up) = (Vec::new(), Vec::new());
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((start, line)) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
        if !KNOWN.contains(&kind) {
            return Err(format!("{start}: a block of the unknown kind {kind:?}"));
        }
        let mut content = Vec::new();
        loop {
            match lines.next() {
                Some((_, line)) if line.trim() == "```" => break,
                Some(line) => content.push(line),
                None => return Err(format!("{start}: the block does not end")),
            }
        }
        match kind {
            "console" => blocks.push(block(start, &content)?),
            "sh" => set_up.extend(content.iter().map(|(_, line)| (*line).to_owned())),
            _ => {}
        }
    }
    Ok((blocks, set_up))
}

fn block(start: usize, content: &[(usize, &str)]) -> Result<Block, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continued = false;
    for &(number, line) in content {
        match (commands.last_mut(), line.strip_prefix("$ ")) {
            (Some(command), _) if continued => {
                command.text.push('\n');
                command.text.push_str(line);
                continued = line.ends_with('\\');
            }
            (_, Some(text)) => {
                commands.push(Command { line: number, text: text.to_owned(), expected: Vec::new() });
                continued = text.ends_with('\\');
            }
            (Some(command), None) => command.expected.push(line.to_owned()),
            (None, None) => return Err(format!("{number}: output before any command")),
        }
    }
    if commands.is_empty() {
        return Err(format!("{start}: a console block without a command"));
    }
    Ok(Block { commands })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_their_output_and_lines() {
        let page = "# A\n```sh\ncargo run\n```\n```console\n$ a \\\n  b\nout\n\n$ c\n```\n";
        let (blocks, set_up) = parse(page).unwrap();
        let command = |line, text: &str, expected: &[&str]| Command {
            line,
            text: text.to_owned(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(set_up, ["cargo run"]);
        assert_eq!(
            blocks,
            [Block { commands: vec![command(6, "a \\\n  b", &["out", ""]), command(10, "c", &[])] }]
        );
    }

    #[test]
    fn a_block_that_would_not_be_executed_is_an_error() {
        for (page, error) in [
            ("```Console\n$ a\n```", "1: a block of the unknown kind"),
            ("```console\n$a\n```", "2: output before any command"),
            ("\n```console\n```", "2: a console block without a command"),
            ("```console\n$ a\n", "1: the block does not end"),
        ] {
            assert!(parse(page).unwrap_err().starts_with(error), "{page}");
        }
    }
}
