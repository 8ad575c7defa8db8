//! Last step: the status that is true now. Pure; it can only be made of what [`super::apply`] hands over.
//! Conditions follow the Kubernetes API conventions: `observedGeneration`, stable CamelCase reasons, and
//! `lastTransitionTime` moves only when the status word does.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use super::{
    apply::{Applied, Repair},
    plan::generation,
    text::reason_word,
    validate::Validated,
};
use crate::api::{KvNamespace, KvNamespaceStatus};
use nearkv_origin::{DeletionPolicy, Health, NamespaceConfig, Report};

/// The data can be trusted and are served.
pub const READY: &str = "Ready";
/// Every declared entry of this generation is in force.
pub const ENTRIES_SYNCED: &str = "EntriesSynced";
/// Every edge has applied this generation's declared entries.
pub const PROPAGATED: &str = "Propagated";
/// All objects of the data follow `spec.deletionPolicy`.
pub const DELETION_POLICY_IN_FORCE: &str = "DeletionPolicyInForce";

/// The Secrets of `spec.binding` hold good tokens. Only where a binding is asked for.
pub const BOUND: &str = "Bound";

/// Most problems that a condition's message names.
const PROBLEMS_NAMED: usize = 8;

/// What a condition says, without type, generation and time.
struct Verdict {
    status: &'static str,
    reason: String,
    message: String,
}

impl Verdict {
    fn new(status: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into() }
    }
}

/// The status of the KvNamespace.
#[must_use]
pub fn status(
    desired: &KvNamespace,
    config: &NamespaceConfig,
    previous: &KvNamespaceStatus,
    validated: &Validated,
    applied: &Applied,
    now: Timestamp,
) -> KvNamespaceStatus {
    let report = applied.report.as_ref();
    let verdicts = [
        (READY, ready(applied)),
        (ENTRIES_SYNCED, entries_synced(validated, applied)),
        (PROPAGATED, propagated()),
        (DELETION_POLICY_IN_FORCE, deletion_policy_in_force(config, report)),
    ];
    let generation = generation(desired);
    let conditions = verdicts.map(|(kind, verdict)| condition(kind, verdict, generation, previous, now));
    let counted = report.filter(|report| report.version.is_some());
    let count = |pick: fn(&Report) -> u64, before: Option<i64>| {
        counted.map(pick).and_then(|count| i64::try_from(count).ok()).or(before)
    };
    KvNamespaceStatus {
        id: Some(config.namespace.id().to_string()),
        observed_generation: Some(generation),
        conditions: conditions.into(),
        keys: count(|report| report.keys, previous.keys),
        bytes: count(|report| report.bytes, previous.bytes),
        objects: count(|report| report.objects, previous.objects),
        version: version(applied).or_else(|| previous.version.clone()),
        last_repair: applied
            .repair
            .as_ref()
            .map(|r| r.value.clone())
            .or_else(|| previous.last_repair.clone()),
        last_repair_result: match &applied.repair {
            Some(Repair { outcome, .. }) => Some(format!("{}: {}", outcome.as_str(), outcome.sentence())),
            None => previous.last_repair_result.clone(),
        },
        binding: previous.binding.clone(),
    }
}

/// How a binding stands, for the condition `Bound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `True` or `False`.
    pub status: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

/// Adds how the binding stands, which is found out apart from the data.
pub fn stand(
    status: &mut KvNamespaceStatus,
    desired: &KvNamespace,
    previous: &KvNamespaceStatus,
    standing: Option<Standing>,
    now: Timestamp,
) {
    let Some(Standing { status: word, reason, message }) = standing else { return };
    let verdict = Verdict::new(word, reason, message);
    status.conditions.push(condition(BOUND, verdict, generation(desired), previous, now));
}

/// Counters by the timer: everything else stays as it is.
#[must_use]
pub fn recount(previous: &KvNamespaceStatus, report: &Report) -> KvNamespaceStatus {
    let Some(version) = report.version else { return previous.clone() };
    let count = |count: u64| i64::try_from(count).ok();
    KvNamespaceStatus {
        keys: count(report.keys),
        bytes: count(report.bytes),
        objects: count(report.objects),
        version: Some(version.to_string()),
        ..previous.clone()
    }
}

/// Whether nothing but counters differs: such a status can wait for the timer. The first version never waits,
/// as it is the memory that the data exist.
#[must_use]
pub fn only_counters_differ(previous: &KvNamespaceStatus, next: &KvNamespaceStatus) -> bool {
    let KvNamespaceStatus { keys, bytes, objects, version, .. } = next.clone();
    let counted = KvNamespaceStatus { keys, bytes, objects, version, ..previous.clone() };
    previous.version.is_some() && counted == *next
}

fn version(applied: &Applied) -> Option<String> {
    let reported = applied.report.as_ref().and_then(|report| report.version);
    reported.or(applied.declared.as_ref().ok().map(|outcome| outcome.version)).map(|v| v.to_string())
}

fn ready(applied: &Applied) -> Verdict {
    let Some(report) = &applied.report else {
        return Verdict::new("Unknown", "Gone", "the KvNamespace is being deleted");
    };
    let word = report.health.as_str();
    match (&report.health, &applied.declared) {
        (Health::Ready, Err(error)) if report.declared.is_none() => Verdict::new(
            "False",
            "EntriesNotSynced",
            format!("the declared entries are not in force: {error}"),
        ),
        (Health::Ready, _) => Verdict::new("True", word, "reads and writes are served"),
        (Health::Loading, Err(error)) => Verdict::new("False", word, error.to_string()),
        (Health::Loading, Ok(_)) => Verdict::new("False", word, "the data are not in memory yet"),
        (Health::RootMissing, _) => Verdict::new(
            "False",
            word,
            "the root ConfigMap is missing; writes are refused and reads go on from memory; \
             set the annotation nearkv.dev/repair to write it anew from memory",
        ),
        (Health::FormatUnknown { detail }, _) => Verdict::new(
            "False",
            word,
            format!(
                "{detail}; writes are refused and reads go on from memory; \
                 run the version of nearkv-operator that wrote the root, or a newer one"
            ),
        ),
        (
            Health::RootDamaged { detail } | Health::NameTaken { detail } | Health::PartDamaged { detail },
            _,
        ) => Verdict::new("False", word, detail.clone()),
        (Health::StoreRefused { detail }, _) => Verdict::new("False", word, detail.clone()),
    }
}

fn entries_synced(validated: &Validated, applied: &Applied) -> Verdict {
    let count = validated.entries.len();
    // The condition Ready says what is wrong with them.
    if let Some(health) =
        applied.report.as_ref().map(|report| &report.health).filter(|h| **h != Health::Ready)
    {
        return Verdict::new("Unknown", health.as_str(), "the data are not ready");
    }
    match (&applied.declared, validated.problems.first()) {
        (Err(error), _) => Verdict::new("False", &reason_word(error.reason()), error.to_string()),
        (Ok(_), None) => Verdict::new("True", "Synced", format!("{count} declared entries are in force")),
        (Ok(_), Some(first)) => {
            let mut lines: Vec<String> =
                validated.problems.iter().take(PROBLEMS_NAMED).map(|p| p.message.clone()).collect();
            if let Some(more) = validated.problems.len().checked_sub(PROBLEMS_NAMED).filter(|n| *n > 0) {
                lines.push(format!("and {more} more"));
            }
            let kept = if validated.is_complete() { "" } else { "; meanwhile no declared entry is deleted" };
            let lines = lines.join("; ");
            Verdict::new(
                "False",
                first.reason.as_str(),
                format!("{lines} ({count} other entries are in force{kept})"),
            )
        }
    }
}

/// Edges report what they have applied over the change feed only.
fn propagated() -> Verdict {
    Verdict::new(
        "Unknown",
        "FeedNotAvailable",
        "edges do not report what they have applied; they follow within spec.cache.ttlSeconds",
    )
}

fn deletion_policy_in_force(config: &NamespaceConfig, report: Option<&Report>) -> Verdict {
    let wanted = match config.deletion_policy {
        DeletionPolicy::Delete => "Delete",
        DeletionPolicy::Retain => "Retain",
    };
    match report.and_then(|report| report.deletion_policy) {
        None => Verdict::new("Unknown", "Loading", "the data are not in memory yet"),
        Some(actual) if actual == config.deletion_policy => {
            Verdict::new("True", wanted, format!("all ConfigMaps of the data follow the policy {wanted}"))
        }
        Some(_) => {
            Verdict::new("False", "Changing", format!("not all ConfigMaps follow the policy {wanted} yet"))
        }
    }
}

fn condition(
    kind: &str,
    verdict: Verdict,
    generation: i64,
    previous: &KvNamespaceStatus,
    now: Timestamp,
) -> Condition {
    let Verdict { status, reason, message } = verdict;
    let before = previous.conditions.iter().find(|condition| condition.type_ == kind);
    let last_transition_time = match before {
        Some(before) if before.status == status => before.last_transition_time.clone(),
        _ => Time(now),
    };
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason,
        message,
        observed_generation: Some(generation),
        last_transition_time,
    }
}

/// The condition of a type.
pub(super) fn find<'a>(status: &'a KvNamespaceStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
