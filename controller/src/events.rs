//! What is worth an Event: what was done to data, and what turned bad or good. Pure; the words are those of
//! the conditions.

use nearkv::Key;

use super::{
    apply::{Applied, Repair, RepairOutcome},
    status::{ENTRIES_SYNCED, READY, find},
    text::{name_keys, note},
};
use crate::api::KvNamespaceStatus;

/// Something to tell about a KvNamespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody should look.
    pub warning: bool,
    /// Stable CamelCase word.
    pub reason: String,
    /// What the controller was doing.
    pub action: &'static str,
    /// For people; at most 1024 bytes.
    pub note: String,
}

impl Event {
    fn new(warning: bool, reason: &str, action: &'static str, text: &str) -> Self {
        Self { warning, reason: reason.to_owned(), action, note: note(text) }
    }
}

/// A replica had another state in memory than the one that was committed.
#[must_use]
pub fn state_differed() -> Event {
    let text = "a replica of the operator held another state in memory than the one that was committed. It has read \
                everything anew, and its reads are right again. This is a bug: report it with the log of that replica";
    Event::new(true, "StateDiffered", FOLLOW, text)
}

const FOLLOW: &str = "Follow";
const DECLARE: &str = "Declare";
const REPAIR: &str = "Repair";
const RECONCILE: &str = "Reconcile";

/// What there is to tell. `same_declaration`: the declared set was in force before, so that a key which had to be
/// written was altered by somebody else.
#[must_use]
pub fn events(
    previous: &KvNamespaceStatus,
    next: &KvNamespaceStatus,
    applied: &Applied,
    same_declaration: bool,
) -> Vec<Event> {
    let mut events = Vec::new();
    if let Ok(outcome) = &applied.declared {
        let mut tell = |warning, reason, keys: &[Key], before: &str, after: &str| {
            if !keys.is_empty() {
                let text = format!("{before} {}{after}", name_keys(keys));
                events.push(Event::new(warning, reason, DECLARE, &text));
            }
        };
        tell(false, "KeysTakenOver", &outcome.taken_over, "took over", ": declared now");
        tell(false, "KeysRemoved", &outcome.removed, "deleted", ": no longer declared");
        if same_declaration {
            tell(
                true,
                "DriftRepaired",
                &outcome.written,
                "put back",
                ": declared, and altered by somebody else",
            );
        }
    }
    events.extend(applied.repair.as_ref().map(repaired));
    events.extend(turned(previous, next, READY));
    events.extend(turned(previous, next, ENTRIES_SYNCED));
    events
}

fn repaired(Repair { value, outcome }: &Repair) -> Event {
    let is_warning = matches!(outcome, RepairOutcome::Refused(_) | RepairOutcome::Failed(_));
    let text = format!("{}, as asked for by the annotation nearkv.dev/repair: {value:?}", outcome.sentence());
    Event::new(is_warning, outcome.as_str(), REPAIR, &text)
}

/// A condition that says something else than before; not that it starts good, nor that it is still unknown.
fn turned(previous: &KvNamespaceStatus, next: &KvNamespaceStatus, kind: &str) -> Option<Event> {
    let after = find(next, kind)?;
    let before = find(previous, kind);
    match (before.map(|before| before.status.as_str()), after.status.as_str()) {
        (_, "False") => {
            let told = before.is_some_and(|b| {
                b.status == "False" && b.reason == after.reason && b.message == after.message
            });
            let waits = after.reason == "Loading" || after.reason == "NamespaceLoading";
            (!told && !waits).then(|| Event::new(true, &after.reason, RECONCILE, &after.message))
        }
        (Some("False"), "True") => Some(Event::new(false, &after.reason, RECONCILE, &after.message)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
