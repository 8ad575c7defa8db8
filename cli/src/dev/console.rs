//! What development mode tells the person in front of it: on standard output, line by line.

use std::io::Write;

/// Standard output. A reader that has gone away is no reason to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console;

impl Console {
    /// Tells something.
    pub(super) fn say(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Tells of something that is not as the manifests ask for.
    pub(super) fn warn(self, text: &str) {
        self.say(&format!("warning: {text}"));
    }
}
