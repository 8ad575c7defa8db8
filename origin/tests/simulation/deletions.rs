//! Deletions: every record of one must be some client's, whose operation was under way then and was not refused.
//! Pure.

use std::collections::BTreeMap;

use nearkv::Key;
use tokio::time::Instant;

/// A deletion as its client saw it.
#[derive(Clone, Debug)]
pub(crate) struct Deletion {
    pub(crate) key: Key,
    pub(crate) began: Instant,
    /// After this it can no longer happen; `None` for an unknown outcome, which may land late.
    pub(crate) until: Option<Instant>,
}

/// A committed deletion.
#[derive(Clone, Debug)]
pub(crate) struct Deleted {
    pub(crate) key: Key,
    pub(crate) at: Instant,
    /// Where.
    pub(crate) version: String,
}

/// Finds for each committed deletion the operation that made it; each operation makes one at most.
///
/// # Errors
/// One that nobody made.
pub(crate) fn attribute(deleted: &[Deleted], deletions: &[Deletion]) -> Result<(), String> {
    let mut by_key: BTreeMap<&Key, Vec<(&Deletion, bool)>> = BTreeMap::new();
    for deletion in deletions {
        by_key.entry(&deletion.key).or_default().push((deletion, false));
    }
    // The operation that must end first goes first: if any assignment exists, this one does.
    for operations in by_key.values_mut() {
        operations.sort_by_key(|(deletion, _)| (deletion.until.is_none(), deletion.until));
    }
    for Deleted { key, at, version } in deleted {
        let operations = by_key.get_mut(key).map_or(&mut [][..], Vec::as_mut_slice);
        let fits = |(deletion, used): &&mut (&Deletion, bool)| {
            !*used && deletion.began <= *at && deletion.until.is_none_or(|until| *at <= until)
        };
        match operations.iter_mut().find(fits) {
            Some((_, used)) => *used = true,
            None => return Err(format!("{key:?} was deleted at {version}, and nobody has deleted it then")),
        }
    }
    Ok(())
}
