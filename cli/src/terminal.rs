//! The person in front of the terminal: what is said, and what is asked.

use std::io::{self, Write};

use crate::failure::Failure;

/// Says on standard output what was done.
///
/// # Errors
/// Where standard output is closed.
pub fn say(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Prints a result on standard output as it is.
///
/// # Errors
/// Where standard output is closed.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Says on standard error what is beside the result.
pub fn note(text: &str) {
    // Who closed standard error does not want to hear it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks before something that cannot be undone. Only a yes, typed or piped in, goes on.
///
/// # Errors
/// A wrong command line, where there was no yes.
pub fn confirm(question: &str) -> Result<(), Failure> {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    if read.is_ok_and(|bytes| bytes == 0) {
        let _ = writeln!(err);
    }
    if is_yes(&answer) {
        return Ok(());
    }
    Err(Failure::usage("not confirmed; nothing was changed").with_advice("answer y, or give --yes"))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", "Y", " yes \n", "YES\r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yep\n", "y y\n", "true\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
