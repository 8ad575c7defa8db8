//! A change of the root that maintenance asks for: decided against one manifest, applied to whatever root is
//! current, or given up. Pure; the committer applies it between its own commits and swaps the root, so that
//! there is one place where a root is swapped and an unknown outcome resolved.

use std::sync::Arc;

use nearkv::Incarnation;
use tokio::time::Instant;

use crate::format::{Manifest, ManifestRef, Root};

/// A change of the root that adds no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Amendment {
    /// A fold or checkpoint: another manifest takes over the segments up to a version.
    Manifest(NewManifest),
    /// The collector's swap, whose only effect is that every commit prepared before it conflicts.
    Sweep(Incarnation),
}

/// A manifest whose objects exist, to be named by the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewManifest {
    /// The data it was made for.
    pub incarnation: Incarnation,
    /// What the root must still name.
    pub base: Option<ManifestRef>,
    /// What it shall name.
    pub reference: ManifestRef,
    /// What that says.
    pub manifest: Arc<Manifest>,
    /// When the first of its objects was sent. The root must not name it past half of the grace since then
    /// (design §6 invariant 6).
    pub born: Instant,
}

impl NewManifest {
    /// To take the place of the one that `root` names. `born`: before its first object was sent.
    pub(crate) fn upon(root: &Root, reference: ManifestRef, manifest: Manifest, born: Instant) -> Amendment {
        let (incarnation, base) = (root.incarnation, root.manifest.clone());
        Amendment::Manifest(Self { incarnation, base, reference, manifest: manifest.into(), born })
    }
}

/// Why an amendment has no place on a root: it names another manifest or lives another life. Not a failure: what
/// was written for it is garbage, and the step is decided anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the root names another manifest by now")]
pub(crate) struct Superseded;

impl Amendment {
    /// The root with this change. Version and records stay; the caller counts the swap.
    ///
    /// # Errors
    /// [`Superseded`].
    pub(crate) fn apply(&self, root: &Root) -> Result<Root, Superseded> {
        let mut next = root.clone();
        match self {
            Self::Sweep(incarnation) if *incarnation == root.incarnation => next.sweep += 1,
            Self::Manifest(new) if new.incarnation == root.incarnation && new.base == root.manifest => {
                let through = new.manifest.through();
                next.manifest = Some(new.reference.clone());
                next.segments.retain(|segment| segment.last() > through);
            }
            Self::Sweep(_) | Self::Manifest(_) => return Err(Superseded),
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use nearkv::Random;

    use super::*;
    use crate::format::{SegmentRef, Sha};

    fn reference(name: &str) -> ManifestRef {
        ManifestRef { manifest: name.into(), sha256: Sha::of(name.as_bytes()) }
    }

    fn segment(first: u64) -> SegmentRef {
        let (segment, sha256) = (format!("log.{first}"), Sha::of(b""));
        SegmentRef { segment, first, records: 10, bytes: 200, sha256, keys: None }
    }

    fn root() -> Root {
        let mut root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        root.version = 30;
        root.manifest = Some(reference("old"));
        root.segments = vec![segment(1), segment(11), segment(21)];
        root
    }

    fn checkpoint_at(root: &Root, checkpoint: u64) -> Amendment {
        let manifest = Manifest { checkpoint, ..Manifest::default() };
        Amendment::Manifest(NewManifest {
            incarnation: root.incarnation,
            base: Some(reference("old")),
            reference: reference("new"),
            manifest: manifest.into(),
            born: Instant::now(),
        })
    }

    #[test]
    fn a_new_manifest_takes_the_segments_it_covers_and_leaves_the_rest() {
        let amended = checkpoint_at(&root(), 25).apply(&root()).unwrap();
        assert_eq!(amended.manifest, Some(reference("new")));
        assert_eq!(amended.segments, [segment(21)], "it holds records past the checkpoint");
        assert_eq!((amended.version, amended.sweep), (30, 0));
    }

    #[test]
    fn an_amendment_made_for_another_manifest_or_life_is_given_up() {
        let mut other = root();
        other.manifest = Some(reference("other"));
        assert_eq!(checkpoint_at(&root(), 25).apply(&other), Err(Superseded));
        let mut reborn = root();
        reborn.incarnation = Incarnation::mint(&Random::seeded(2));
        assert_eq!(checkpoint_at(&root(), 25).apply(&reborn), Err(Superseded));
        assert_eq!(Amendment::Sweep(root().incarnation).apply(&reborn), Err(Superseded));
        assert_eq!(Amendment::Sweep(root().incarnation).apply(&root()).unwrap().sweep, 1);
    }
}
