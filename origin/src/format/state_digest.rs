//! A short proof of the same state: how many entries a root defines, and the sum of the digests of their keys and
//! versions. It stands in a data field beside the root (`beside.rs`, decision 13), so that a replica which applies that
//! root can tell that its memory is not what the committer's was (design §6).

use std::fmt;

use nearkv::Key;

use crate::{
    format::{Root, Sha, beside},
    store::Content,
};

/// The data field, beside `root`.
const FIELD_STATE: &str = "state";

/// Of the entries of one state: cheap to keep up with every put and deletion, in whatever order they come. No clock is in
/// it: entries that have ended count until a checkpoint leaves them out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateDigest {
    entries: u64,
    sum: u128,
}

impl StateDigest {
    /// An entry is there now.
    pub fn add(&mut self, key: &Key, version: u64) {
        self.entries = self.entries.wrapping_add(1);
        self.sum = self.sum.wrapping_add(of(key, version));
    }

    /// An entry is gone.
    pub fn remove(&mut self, key: &Key, version: u64) {
        self.entries = self.entries.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(of(key, version));
    }

    /// Puts it beside the root that `content` encodes.
    pub fn write_beside(self, content: &mut Content) {
        if let Some(root) = Root::stated_digest(content) {
            content.text.insert(FIELD_STATE.to_owned(), beside::seal(FIELD_STATE, root, &self.to_string()));
        }
    }

    /// What stands beside a root; `None` where nothing does, or what was written for another root.
    #[must_use]
    pub fn beside(content: &Content) -> Option<Self> {
        let text = content.text.get(FIELD_STATE)?;
        let (entries, sum) =
            beside::open(FIELD_STATE, Root::stated_digest(content)?, text)?.split_once(' ')?;
        Some(Self { entries: entries.parse().ok()?, sum: u128::from_str_radix(sum, 16).ok()? })
    }
}

impl fmt::Display for StateDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:032x}", self.entries, self.sum)
    }
}

fn of(key: &Key, version: u64) -> u128 {
    Sha::of(format!("{version} {key}").as_bytes()).short()
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random};

    use super::*;

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    #[test]
    fn the_order_of_changes_does_not_matter_and_keys_and_versions_do() {
        let (mut one, mut other) = (StateDigest::default(), StateDigest::default());
        one.add(&key("a"), 1);
        one.add(&key("b"), 2);
        other.add(&key("b"), 2);
        other.add(&key("x"), 9);
        other.add(&key("a"), 1);
        other.remove(&key("x"), 9);
        assert_eq!(one, other);
        other.remove(&key("a"), 1);
        other.add(&key("a"), 3);
        assert_ne!(one, other, "another version");
    }

    #[test]
    fn it_is_read_beside_the_root_that_it_was_written_for_and_no_other() {
        let mut root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        let mut digest = StateDigest::default();
        digest.add(&key("a"), 1);
        let mut content = root.encode();
        assert_eq!(StateDigest::beside(&content), None);
        digest.write_beside(&mut content);
        assert_eq!(StateDigest::beside(&content), Some(digest));
        assert_eq!(Root::decode(&content).unwrap(), root, "earlier versions read the root as before");
        root.swap += 1;
        let mut later = root.encode();
        later.text.insert(FIELD_STATE.into(), content.text[FIELD_STATE].clone());
        assert_eq!(StateDigest::beside(&later), None);
    }
}
