//! What programs do all the time while servers are replaced: each load has keys of its own, remembers what was
//! acknowledged, and judges what it reads.

mod bulk;
mod conditional;
mod kept;
mod large;
mod short;
mod single;

use std::time::Duration;

use nearkv::Version;
use nearkv_tests::ledger::{Ledger, State};
use nearkv_tests::{Kv, Result};

pub(crate) use bulk::Bulk;
pub(crate) use conditional::Conditional;
pub(crate) use kept::{Kept, kept_values};
pub(crate) use large::Large;
pub(crate) use short::{SHORT_PREFIX, Short};
pub(crate) use single::Single;

/// A load, one step at a time.
#[async_trait::async_trait]
pub(crate) trait Load: Send {
    /// Its word in what is printed.
    fn name(&self) -> String;

    /// Between two steps.
    fn pause(&self) -> Duration;

    /// A few requests, written through `at` and read back through `elsewhere`.
    ///
    /// # Errors
    /// A write that was lost, or an answer to a write that no replacement explains. A read that fails is in `reads`.
    async fn step(&mut self, at: &Kv, elsewhere: &Kv, reads: &mut Reads) -> Result<()>;

    /// What its keys hold, where they hold it for good.
    fn ledger(&mut self) -> Option<&mut Ledger>;
}

/// The reads of one load: every one has to be answered, with a value that was true.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) answered: u64,
    pub(crate) failures: Vec<String>,
}

impl Reads {
    /// Judges what a key was read as.
    pub(crate) fn note(&mut self, key: &str, read: Result<State>, is_true: impl FnOnce(&State) -> bool) {
        match read {
            Ok(seen) if is_true(&seen) => self.answered += 1,
            Ok(seen) => {
                let start = seen.map(|value| value.chars().take(40).collect::<String>());
                self.failures.push(format!("{key} was read as {start:?}"));
            }
            Err(error) => self.failures.push(format!("{key}: {error:?}")),
        }
    }

    /// Reads a key in a state that has the write with `version`, and judges it by the ledger of its only writer.
    pub(crate) async fn read_back(&mut self, kv: &Kv, key: &str, version: Version, ledger: &Ledger) {
        let read = kv.get_since(key, version).await.and_then(nearkv_tests::kv::Answer::value);
        self.note(key, read, |seen| ledger.check(key, seen).is_ok());
    }
}
