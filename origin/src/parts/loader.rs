//! Reads what a root reaches: the manifest's tree, its pages, its segments. Fetches side by side, believes
//! nothing whose digest is wrong, and says of what is missing or damaged which object and which keys it is.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use nearkv::{Key, Namespace};
use tokio::time::sleep;

use crate::{
    format::{
        BoundsByFirst, FormatError, KeyBounds, Manifest, ManifestRef, PageRef, Part, Put, Record, SegmentRef,
        Sha, Top, Versioned, bounds_beside, checked_lines, decode_lines,
    },
    store::{Object, ObjectName, ObjectStore, StoreError},
};

/// Objects fetched side by side. A GET of 64 KiB takes an API server 1 to 3 ms of one core; 32 keep its cores
/// busy and hide the round trip, so that 600 pages (100,000 keys) take well under a second on two cores.
pub(crate) const FETCH_PARALLEL: usize = 32;

/// How often one object is asked for.
const ATTEMPTS: u32 = 4;
/// First pause after a failed read, doubled each time.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest pause that the store's own `Retry-After` may impose.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a part cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The store failed.
    #[error("failed to read {object} ({holds})")]
    Store {
        /// Which object.
        object: ObjectName,
        /// What is in it.
        holds: Holds,
        /// What the store said.
        #[source]
        source: Box<StoreError>,
    },
    /// The object is not there. Only damage if the newest root still reaches it: a reader that is behind may
    /// look for what has been collected.
    #[error("{object} ({holds}) is missing")]
    Missing {
        /// Which object.
        object: ObjectName,
        /// What was in it.
        holds: Holds,
    },
    /// The object is not what its reference says.
    #[error("{object} ({holds}) is damaged")]
    Damaged {
        /// Which object.
        object: ObjectName,
        /// What was in it.
        holds: Holds,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
}

impl LoadError {
    /// Whether the object itself is at fault, as opposed to the store that could not be asked.
    #[must_use]
    pub(crate) fn is_damage(&self) -> bool {
        self.damaged().is_some()
    }

    /// The object, if it is itself at fault.
    #[must_use]
    pub(crate) fn damaged(&self) -> Option<&ObjectName> {
        match self {
            Self::Missing { object, .. } | Self::Damaged { object, .. } => Some(object),
            Self::Store { .. } => None,
        }
    }
}

/// What an object holds, in words for a person who has to judge a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// References to pages and segments.
    References,
    /// The records of these versions.
    Records {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// Between which keys they are, where that is known.
        keys: Option<Box<KeyBounds>>,
    },
    /// The entries of a key range.
    Entries {
        /// The first key that may be in it.
        from: Option<Key>,
        /// The first key behind it.
        until: Option<Key>,
    },
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::References => f.write_str("references to pages and segments"),
            Self::Records { first, last, keys: None } => write!(f, "records {first} to {last}"),
            Self::Records { first, last, keys: Some(keys) } => {
                write!(f, "records {first} to {last}, of {keys}")
            }
            Self::Entries { from: None, until: None } => f.write_str("all keys"),
            Self::Entries { from: None, until: Some(until) } => write!(f, "keys before {until:?}"),
            Self::Entries { from: Some(from), until: None } => write!(f, "keys from {from:?}"),
            Self::Entries { from: Some(from), until: Some(until) } => {
                write!(f, "keys from {from:?} to before {until:?}")
            }
        }
    }
}

/// Where the entries of a key range come from when a state is brought up to a newer checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Memory holds them: the page is the same at both checkpoints. What else memory holds has to go: what is outside
    /// of all such ranges, and in them what was put after the page was written, since it was deleted before the new
    /// checkpoint.
    Memory {
        /// First key of the range; `None`: no lower end.
        from: Option<Key>,
        /// First key behind it; `None`: no upper end.
        until: Option<Key>,
        /// The version of the page.
        through: u64,
    },
    /// The page has to be fetched.
    Page(PageRef, Option<Key>),
}

/// How to get from a memory that has the state at some version between the checkpoints `old` and `new` to the
/// pages of `new`. Pure. Without `old`, every page is fetched; so are the pages of a range of `old` that memory does not
/// hold whole.
#[must_use]
pub(crate) fn sources(
    old: Option<&Manifest>,
    new: &Manifest,
    is_whole: &dyn Fn(Option<&Key>, Option<&Key>) -> bool,
) -> Vec<Source> {
    let mut known = HashMap::new();
    if let Some(old) = old {
        // The old range: the new one may also cover neighbours whose entries are all gone.
        let held = |(PageRef { from, version: through, sha256, .. }, until)| {
            (sha256, Source::Memory { from, until, through })
        };
        // A page without entries ends a range where others are still to be written, and says nothing of its own.
        let whole = |(page, until): &(PageRef, Option<Key>)| {
            page.entries > 0 && is_whole(page.from.as_ref(), until.as_ref())
        };
        known.extend(ranges(old).into_iter().filter(whole).map(held));
    }
    let source =
        |(page, until): (PageRef, _)| known.remove(&page.sha256).unwrap_or(Source::Page(page, until));
    ranges(new).into_iter().map(source).collect()
}

/// The pages of a manifest with the first key behind the range of each.
#[must_use]
pub(crate) fn ranges(manifest: &Manifest) -> Vec<(PageRef, Option<Key>)> {
    let pages: Vec<_> = manifest.pages.iter().cloned().collect();
    let until: Vec<_> = pages.iter().skip(1).map(|page| page.from.clone()).chain([None]).collect();
    pages.into_iter().zip(until).collect()
}

/// Reads the parts of one KvNamespace.
#[derive(Clone)]
pub(crate) struct Loader {
    store: Arc<dyn ObjectStore>,
    namespace: Namespace,
}

impl Loader {
    /// For the parts of `namespace` in `store`.
    #[must_use]
    pub(crate) fn new(store: Arc<dyn ObjectStore>, namespace: Namespace) -> Self {
        Self { store, namespace }
    }

    /// The manifest with its children.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) async fn manifest(&self, reference: &ManifestRef) -> Result<Manifest, LoadError> {
        let object = |reference: ManifestRef| async move {
            let found = self.found(&reference.manifest, Holds::References).await?;
            let lines = self.checked(Part::Manifest, &found, reference.sha256, Holds::References)?;
            Ok((lines, bounds_beside(&found.content, reference.sha256)))
        };
        let damaged = |source| LoadError::Damaged {
            object: self.object(&reference.manifest),
            holds: Holds::References,
            source,
        };
        let (lines, mut bounds) = object(reference.clone()).await?;
        let top = Top::decode(&lines).map_err(damaged)?;
        let children: Vec<_> = top.children().cloned().collect();
        let children: Vec<(String, BoundsByFirst)> =
            stream::iter(children).map(object).buffered(FETCH_PARALLEL).try_collect().await?;
        let (children, beside): (Vec<_>, Vec<_>) = children.into_iter().unzip();
        bounds.extend(beside.into_iter().flatten());
        Ok(top.with(&children).map_err(damaged)?.with_bounds(&bounds))
    }

    /// The entries of a page. `until` is the start of the range behind it.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) async fn page(
        &self,
        page: &PageRef,
        until: Option<&Key>,
    ) -> Result<Vec<(u64, Put)>, LoadError> {
        let holds = Holds::Entries { from: page.from.clone(), until: until.cloned() };
        let lines = self.lines(Part::Page, &page.page, page.sha256, holds.clone()).await?;
        let damaged =
            |source| LoadError::Damaged { object: self.object(&page.page), holds: holds.clone(), source };
        let entry = |(index, versioned): (usize, Versioned)| match versioned.record {
            Record::Put(put) => Ok((versioned.version, put)),
            Record::Delete(_) => {
                let message = "a page holds no deletions".to_owned();
                Err(FormatError::Line { line: index + 1, message })
            }
        };
        let decoded = decode_lines(&lines, None).map_err(damaged)?;
        let entries: Result<_, _> = decoded.into_iter().enumerate().map(entry).collect();
        entries.map_err(damaged)
    }

    /// The records of a segment, in order.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) async fn segment(&self, segment: &SegmentRef) -> Result<Vec<Versioned>, LoadError> {
        let lines = self.segment_lines(segment).await?;
        decode_lines(&lines, Some(segment.first)).map_err(|source| LoadError::Damaged {
            object: self.object(&segment.segment),
            holds: records_of(segment),
            source,
        })
    }

    /// The lines of segments, in the segments' order.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub(crate) async fn lines_of(&self, segments: Vec<SegmentRef>) -> Result<Vec<String>, LoadError> {
        stream::iter(segments)
            .map(|segment| async move { self.segment_lines(&segment).await })
            .buffered(FETCH_PARALLEL)
            .try_collect()
            .await
    }

    async fn segment_lines(&self, segment: &SegmentRef) -> Result<String, LoadError> {
        let holds = records_of(segment);
        self.lines(Part::Log, &segment.segment, segment.sha256, holds).await
    }

    async fn lines(&self, part: Part, name: &str, sha256: Sha, holds: Holds) -> Result<String, LoadError> {
        let found = self.found(name, holds.clone()).await?;
        self.checked(part, &found, sha256, holds)
    }

    fn checked(&self, part: Part, found: &Object, sha256: Sha, holds: Holds) -> Result<String, LoadError> {
        let damaged = |source| LoadError::Damaged { object: found.meta.name.clone(), holds, source };
        checked_lines(part, &found.content, sha256).map(str::to_owned).map_err(damaged)
    }

    async fn found(&self, name: &str, holds: Holds) -> Result<Object, LoadError> {
        let object = self.object(name);
        match self.get(&object).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(LoadError::Missing { object, holds }),
            Err(source) => Err(LoadError::Store { object, holds, source: Box::new(source) }),
        }
    }

    /// One failed read among hundreds must not make all of them be done again.
    async fn get(&self, object: &ObjectName) -> Result<Option<Object>, StoreError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.store.get(object).await {
                Err(StoreError::Unknown { .. }) => {}
                Err(StoreError::Throttled { retry_after }) => {
                    pause = pause.max(retry_after.unwrap_or_default().min(LONGEST_PAUSE));
                }
                answer => return answer,
            }
            sleep(pause).await;
            pause *= 2;
        }
        self.store.get(object).await
    }

    fn object(&self, name: &str) -> ObjectName {
        ObjectName::new(self.namespace.account(), name)
    }
}

fn records_of(segment: &SegmentRef) -> Holds {
    Holds::Records { first: segment.first, last: segment.last(), keys: segment.keys.clone().map(Box::new) }
}

#[cfg(test)]
mod tests;
