//! How new an answer is, and what it says of it: its age, `STALE`, and the version that its reader asked for. Pure.

use std::time::Duration;

use nearkv::{CacheStatus, State, Version};
use tokio::time::Instant;

use crate::{judgement::Start, life::Life, plan::Plan};

/// An age in µs is rounded.
const ROUNDED: Duration = Duration::from_millis(1);
/// A watch that nothing disturbs proves every second that memory is current, and lists do so every ten.
const OLDEST_IN_PEACE: Duration = Duration::from_secs(11);

/// An age says when the state was the newest for sure.
pub(crate) fn age(life: &Life, state: &State, answered: Instant, plan: &Plan) -> Result<(), String> {
    let (version, age) = (state.version, state.age);
    if let (Some(proven), Some(superseded)) =
        (answered.checked_sub(age + ROUNDED), life.superseded(version.number))
        && superseded < proven
    {
        let since = proven.duration_since(superseded);
        return Err(format!("{version} is said to be {age:?} old, and was overtaken {since:?} before that"));
    }
    let stale = state.served.status == CacheStatus::Stale;
    if stale != (age > state.freshness.max_age) {
        return Err(format!("an answer of age {age:?} is {:?}", state.served.status));
    }
    if plan.peaceful && age > OLDEST_IN_PEACE {
        return Err(format!("an answer is {age:?} old, and nothing is wrong"));
    }
    Ok(())
}

/// Whoever asks for a state as new as `wanted` gets one.
pub(crate) fn reaches(wanted: Option<Version>, state: &State) -> Result<(), String> {
    match wanted {
        Some(wanted)
            if wanted.incarnation != state.version.incarnation || state.version.number < wanted.number =>
        {
            Err(format!("{wanted} was asked for, and {} was answered", state.version))
        }
        _ => Ok(()),
    }
}

/// A version that the store had when the operation began is never out of reach.
pub(crate) fn out_of_reach(wanted: Version, start: &Start) -> Result<(), String> {
    let same = start.incarnation.as_ref() == Some(&wanted.incarnation.to_string());
    if same && wanted.number <= start.newest {
        return Err(format!("{wanted} was not reached, and {} was committed by then", start.newest));
    }
    Ok(())
}
