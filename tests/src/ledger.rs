//! What a key may hold, as far as its only writer can know: the model that crash rounds are judged by.
//!
//! Pure. A write is noted before it is sent and again by its answer. An acknowledged write is what
//! the key holds, and nothing sent before it can come back. A write without an answer may have
//! happened or not, until the key is seen in a state after which it cannot happen any more.

use std::collections::BTreeMap;

/// What a key holds: a value, or nothing.
pub type State = Option<String>;

/// How a write ended, as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: it has happened.
    Acknowledged,
    /// It was refused, or never reached anybody: it has not happened and will not.
    Refused,
    /// No answer, or one that says so: it may have happened.
    Unknown,
}

/// The keys of one writer.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    keys: BTreeMap<String, History>,
    counts: Counts,
}

/// How many writes ended how, since the last [`Ledger::settle`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Puts that have happened. Each is one record.
    pub acknowledged_puts: u64,
    /// Writes of all kinds that have happened or may have. Each is one record at most.
    pub possible: u64,
    /// Writes with an unknown outcome.
    pub unknown: u64,
}

#[derive(Debug, Clone, Default)]
struct History {
    /// The last state that is known.
    certain: State,
    /// The states of later writes whose outcome is unknown.
    possible: Vec<State>,
}

impl Ledger {
    /// Notes a write to `key` that has ended.
    pub fn note(&mut self, key: &str, state: State, outcome: Outcome) {
        let history = self.keys.entry(key.to_owned()).or_default();
        match outcome {
            Outcome::Acknowledged => {
                self.counts.acknowledged_puts += u64::from(state.is_some());
                self.counts.possible += 1;
                *history = History { certain: state, possible: Vec::new() };
            }
            Outcome::Refused => {}
            Outcome::Unknown => {
                self.counts.unknown += 1;
                self.counts.possible += 1;
                history.possible.push(state);
            }
        }
    }

    /// The keys it knows.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The keys that hold a value, as far as is certain.
    pub fn present(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, history)| history.certain.is_some()).map(|(key, _)| key.as_str())
    }

    /// Judges `seen`, what `key` was read as in a state that has every acknowledged write.
    ///
    /// # Errors
    /// What is wrong: a lost write, or one that came back.
    pub fn check(&self, key: &str, seen: &State) -> Result<(), String> {
        let unwritten = History::default();
        let history = self.keys.get(key).unwrap_or(&unwritten);
        if history.certain == *seen || history.possible.contains(seen) {
            return Ok(());
        }
        Err(format!(
            "{key} is {}, but was last acknowledged as {}, with {} later writes of unknown outcome: {}",
            brief(seen),
            brief(&history.certain),
            history.possible.len(),
            history.possible.iter().map(brief).collect::<Vec<_>>().join(", ")
        ))
    }

    /// Judges `seen`, what `key` was read as at a time when nothing sent before can happen any more;
    /// from then on that is what it holds.
    ///
    /// # Errors
    /// What is wrong: a lost write, or one that came back.
    pub fn settle(&mut self, key: &str, seen: &State) -> Result<(), String> {
        self.check(key, seen)?;
        self.keys.insert(key.to_owned(), History { certain: seen.clone(), possible: Vec::new() });
        Ok(())
    }

    /// The counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |sum, next| Counts {
            acknowledged_puts: sum.acknowledged_puts + next.acknowledged_puts,
            possible: sum.possible + next.possible,
            unknown: sum.unknown + next.unknown,
        })
    }
}

/// The start of a value says which write it is of.
fn brief(state: &State) -> String {
    match state {
        Some(value) => format!("{:?}", value.chars().take(24).collect::<String>()),
        None => "absent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: &str) -> State {
        Some(value.to_owned())
    }

    fn ledger(writes: &[(State, Outcome)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (state, outcome) in writes {
            ledger.note("k", state.clone(), *outcome);
        }
        ledger
    }

    #[test]
    fn an_acknowledged_write_that_is_gone_is_an_error() {
        let writes = [(state("1"), Outcome::Acknowledged), (state("2"), Outcome::Acknowledged)];
        assert!(ledger(&writes).settle("k", &state("2")).is_ok());
        for lost in [state("1"), None, state("3")] {
            assert!(ledger(&writes).settle("k", &lost).is_err(), "{lost:?}");
        }
    }

    #[test]
    fn an_unknown_write_may_be_there_or_not_until_the_next_acknowledged_one() {
        let mut writes = vec![(state("1"), Outcome::Acknowledged), (None, Outcome::Unknown)];
        assert!(ledger(&writes).settle("k", &state("1")).is_ok());
        assert!(ledger(&writes).settle("k", &None).is_ok());

        writes.push((state("2"), Outcome::Acknowledged));
        assert!(ledger(&writes).settle("k", &None).is_err(), "resurrected");
    }

    #[test]
    fn what_was_settled_stays() {
        let mut ledger = ledger(&[(state("1"), Outcome::Acknowledged), (state("2"), Outcome::Unknown)]);
        ledger.settle("k", &state("1")).unwrap();
        assert!(ledger.settle("k", &state("2")).is_err(), "came late");
    }

    #[test]
    fn a_refused_write_never_happens() {
        let mut ledger = ledger(&[(state("1"), Outcome::Acknowledged), (state("2"), Outcome::Refused)]);
        assert!(ledger.settle("k", &state("2")).is_err());
        let counts = Counts { acknowledged_puts: 1, possible: 1, unknown: 0 };
        assert_eq!(ledger.take_counts(), counts);
    }
}
