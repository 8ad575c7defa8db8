//! The KvNamespace objects that are gone for good, by UID: the API server never gives a UID twice, so whatever still
//! speaks for such an object is late and is ignored.

use std::collections::{HashSet, VecDeque};

use parking_lot::Mutex;

/// How many are remembered. What may speak late, a round of the controller or a live look, takes seconds; a UID and its
/// place take some 150 bytes.
const KEPT: usize = 16_384;

/// UIDs of objects that are gone, the latest of them.
#[derive(Debug, Default)]
pub(crate) struct Ended(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    order: VecDeque<String>,
    uids: HashSet<String>,
}

impl Ended {
    /// The object with this UID is gone.
    pub(crate) fn add(&self, uid: &str) {
        let mut state = self.0.lock();
        if !state.uids.insert(uid.to_owned()) {
            return;
        }
        state.order.push_back(uid.to_owned());
        if state.order.len() > KEPT
            && let Some(oldest) = state.order.pop_front()
        {
            state.uids.remove(&oldest);
        }
    }

    /// Whether the object with this UID is known to be gone.
    pub(crate) fn contains(&self, uid: &str) -> bool {
        self.0.lock().uids.contains(uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let ended = Ended::default();
        for n in 0..=KEPT {
            ended.add(&n.to_string());
            ended.add(&n.to_string());
        }
        assert!(!ended.contains("0") && ended.contains("1") && ended.contains(&KEPT.to_string()));
    }
}
