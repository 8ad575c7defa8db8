//! The progress of what takes long, on standard error where that is a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar without news is drawn: often enough to be seen turning.
const TICK: Duration = Duration::from_millis(120);
/// How a known length is shown, and how an unknown one.
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const SPINNER: &str = "{spinner} {msg} {human_pos} keys, {per_sec}";

/// A bar, or nothing. Dropping it clears its line.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of a file of so many bytes.
    #[must_use]
    pub fn of_bytes(total: u64, what: impl Into<String>) -> Self {
        Self::start(ProgressBar::new(total), BAR, what.into())
    }

    /// Of keys whose number nobody knows.
    #[must_use]
    pub fn of_keys(what: impl Into<String>) -> Self {
        Self::start(ProgressBar::new_spinner(), SPINNER, what.into())
    }

    fn start(bar: ProgressBar, template: &str, what: String) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// How far it is, in the unit it was made for.
    pub fn set(&self, position: u64) {
        self.0.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [BAR, SPINNER] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
