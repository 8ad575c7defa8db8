//! The canary of a replica (design §7): a small object that it swaps, and whose change its watch then shows. It carries
//! the replica's report, so that replicas need no other way to hear of each other. Of no KvNamespace, and never counted.

use std::collections::BTreeMap;

use nearkv::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::{
    format::{LABEL_PART, json::to_line},
    store::{Content, Draft, Object, ObjectName},
};

/// The value of the label [`LABEL_PART`].
pub const CANARY: &str = "canary";
/// The only field: a line of JSON. Fields that this version does not know are ignored.
const FIELD_REPORT: &str = "report";

/// What a replica says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which process.
    pub replica: String,
    /// How many swaps of this canary there were: one more each time.
    pub number: u64,
    /// When this one was sent, by the store's clock.
    pub at: u64,
    /// How often it comes.
    pub state: ReplicaState,
    /// Bytes that the replica may send at once now ([`crate::Pace::level`]); `None` without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// Objects that it misses and whose content it does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<ObjectPath>,
}

/// An object's folder and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectPath(pub String, pub String);

/// What a replica promises of its next swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplicaState {
    /// It is asked, and swaps every second.
    Active,
    /// Nobody asks it, and it swaps every minute.
    Idle,
    /// It has ended in order, and does not swap again.
    Ended,
}

impl ReplicaState {
    /// The word in the report and in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Ended => "ended",
        }
    }
}

impl Report {
    /// When it was sent.
    #[must_use]
    pub fn at(&self) -> UnixMillis {
        UnixMillis(self.at)
    }

    /// The canary that says this.
    #[must_use]
    pub fn draft(&self, name: &ObjectName) -> Draft {
        Draft {
            name: name.clone(),
            labels: [(LABEL_PART.to_owned(), CANARY.to_owned())].into(),
            owner: None,
            content: Content {
                text: [(FIELD_REPORT.to_owned(), to_line(self))].into(),
                bytes: BTreeMap::new(),
            },
            immutable: false,
        }
    }

    /// What a canary says; `None` for any other object, and for one that was written by hand.
    #[must_use]
    pub fn of(object: &Object) -> Option<Self> {
        if object.meta.labels.get(LABEL_PART).is_none_or(|part| part != CANARY) {
            return None;
        }
        serde_json::from_str(object.content.text.get(FIELD_REPORT)?).ok()
    }
}

/// The name of a replica's canary in a folder. No KvNamespace's object has it: theirs hold `.kv`.
#[must_use]
pub fn canary_name(folder: &str, replica: &str) -> ObjectName {
    ObjectName::new(folder, &format!("nearkv.canary.{replica}"))
}

#[cfg(test)]
mod tests {
    use nearkv::UnixMillis;

    use super::*;
    use crate::store::{Meta, ObjectId, Token};

    fn report() -> Report {
        let lost = vec![ObjectPath("team-a".into(), "b.kv.log.9f".into())];
        let state = ReplicaState::Idle;
        Report { replica: "r".into(), number: 7, at: 1, state, level: Some(-5), lost }
    }

    fn object(draft: Draft) -> Object {
        let Draft { name, labels, owner, content, immutable: _ } = draft;
        let (id, token) = (ObjectId("i".into()), Token("t".into()));
        let created = UnixMillis(0);
        Object { meta: Meta { name, id, token, labels, owner, created, deleting: false }, content }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let canary = object(report().draft(&canary_name("nearkv-system", "r")));
        assert_eq!(Report::of(&canary), Some(report()));
    }

    /// A later version says more, and an earlier one must not take its replica for dead.
    #[test]
    fn what_a_later_version_adds_to_a_report_is_ignored() {
        let mut canary = object(report().draft(&canary_name("nearkv-system", "r")));
        let text = canary.content.text.get_mut(FIELD_REPORT).unwrap();
        *text = text.replace("{\"replica\"", "{\"edges\":[1],\"replica\"");
        assert_eq!(Report::of(&canary), Some(report()));
        canary.meta.labels.clear();
        assert_eq!(Report::of(&canary), None, "it is not labelled as a canary");
    }
}
