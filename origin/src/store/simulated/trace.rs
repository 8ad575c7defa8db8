//! The trace of a world: a running hash over every call, every answer, every change and every event, with its
//! moment. Two histories of one seed have the same trace, or something in them does not follow from the seed.

use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::store::Content;

/// What has happened so far, as a number.
#[derive(Debug)]
pub struct Trace {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hasher: DefaultHasher,
    /// The lines themselves, for whoever looks for the first one that differs.
    kept: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), state: Mutex::default() }
    }

    /// Keeps the lines from now on, as [`Trace::lines`] shows them.
    pub fn keep(&self) {
        self.state.lock().kept = Some(Vec::new());
    }

    /// The lines since [`Trace::keep`].
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.state.lock().kept.clone().unwrap_or_default()
    }

    /// The hash over everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.state.lock().hasher.finish()
    }

    /// Takes in something that has just happened.
    pub fn note(&self, line: &str) {
        self.take_in(line, |_| {});
    }

    /// Takes in a change, with the content that it left.
    pub(super) fn note_content(&self, line: &str, content: &Content) {
        self.take_in(line, |hasher| {
            content.text.hash(hasher);
            content.bytes.hash(hasher);
        });
    }

    fn take_in(&self, line: &str, more: impl FnOnce(&mut DefaultHasher)) {
        let at = self.started.elapsed().as_micros();
        let mut state = self.state.lock();
        (at, line).hash(&mut state.hasher);
        more(&mut state.hasher);
        if let Some(kept) = &mut state.kept {
            kept.push(format!("{at} {line}"));
        }
    }
}
