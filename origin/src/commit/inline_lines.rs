//! The inline records of the root that this committer swapped in last, as lines: the next root has most of them again, and
//! a commit encodes only its own records.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::format::{Record, Root};

/// A record as it stands in a root and in a segment, with its line break.
pub(crate) type Line = Arc<str>;

/// The lines of one root. They take as much memory as a root has inline records, 14 KiB at most.
#[derive(Debug, Default)]
pub(crate) struct InlineLines(Mutex<Option<(Weak<Root>, Vec<Line>)>>);

impl InlineLines {
    /// The lines of `root`, encoded where they are not known: the root may be another replica's.
    pub(crate) fn of(&self, root: &Arc<Root>) -> Vec<Line> {
        match &*self.0.lock() {
            // The weak reference keeps the address from being used for another root.
            Some((known, lines)) if Weak::as_ptr(known) == Arc::as_ptr(root) => lines.clone(),
            _ => root.records.iter().map(line).collect(),
        }
    }

    /// Remembers the `lines` of `root`, and no others.
    pub(crate) fn remember(&self, root: &Arc<Root>, lines: Vec<Line>) {
        *self.0.lock() = Some((Arc::downgrade(root), lines));
    }
}

/// A record as a line.
pub(crate) fn line(record: &Record) -> Line {
    let mut line = record.to_line(None);
    line.push('\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Key, Random};

    use super::*;

    fn root(keys: &[&str]) -> Arc<Root> {
        let mut root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        root.records = keys.iter().map(|key| Record::Delete(Key::new(key).unwrap())).collect();
        Arc::new(root)
    }

    #[test]
    fn the_lines_of_a_root_are_used_for_that_root_and_for_no_other_with_equal_records() {
        let (lines, own, other) = (InlineLines::default(), root(&["a"]), root(&["a"]));
        let said: Vec<Line> = vec!["as remembered\n".into()];
        lines.remember(&own, said.clone());
        assert_eq!(lines.of(&own), said);
        assert_eq!(lines.of(&other), [Line::from("{\"delete\":\"a\"}\n")]);
        drop(own);
        assert_ne!(lines.of(&root(&["a"])), said, "its memory must not be taken for the first root's");
    }
}
