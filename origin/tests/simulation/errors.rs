//! Which errors an operation may end with, by what the history has done to the processes and their store. Pure.

use nearkv::Reason;

use crate::{excuse::Excuse, plan::Plan};

/// What an error is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) plan: &'a Plan,
    /// A process or the KvNamespace began a short while ago, or there is no KvNamespace.
    pub(crate) young: bool,
    /// Hands have destroyed something of this KvNamespace.
    pub(crate) hurt: bool,
    /// The data have had more than one incarnation.
    pub(crate) reborn: bool,
}

/// The excuse of an error that says nothing about entries.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn excuse(reason: Reason, circumstances: Circumstances<'_>) -> Result<Excuse, String> {
    let Circumstances { plan, young, hurt, reborn } = circumstances;
    let (excuse, may) = match reason {
        Reason::NamespaceLoading => (Excuse::Unready, young || hurt || !plan.peaceful),
        Reason::NamespaceMissing => (Excuse::Unready, young || plan.rebirths || hurt),
        // The root goes before a process hears that its KvNamespace is deleted.
        Reason::NamespaceDamaged if !hurt => (Excuse::Unready, plan.rebirths && young),
        Reason::NamespaceDamaged => (Excuse::Destroyed, true),
        Reason::Unavailable => (Excuse::Unreachable, !plan.peaceful || hurt),
        Reason::OutcomeUnknown => (Excuse::Unknown, !plan.peaceful),
        Reason::Throttled => (Excuse::Throttled, plan.faults.throttled > 0 || plan.tight_pace),
        Reason::StoreRefused => (Excuse::Refused, plan.faults.refused > 0),
        Reason::BudgetExceeded => (Excuse::NoRoom, plan.tight_budget),
        Reason::CursorInvalid => (Excuse::CursorGone, reborn),
        _ => return Err(format!("\"{}\" is no answer to it", reason.as_str())),
    };
    if may { Ok(excuse) } else { Err(format!("\"{}\" comes without a reason", reason.as_str())) }
}
