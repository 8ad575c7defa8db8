//! Where the immutable parts of a KvNamespace are made: charged to the budget, created several at once, and tried
//! again where the outcome is unknown. That is safe for these objects alone: their names hold 128 random bits,
//! so an object that is there already is the own one.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use nearkv::{Error, Key, Random, Reason};
use tokio::time::sleep;

use crate::{
    format::{Drafter, KeyBounds, Manifest, ManifestRef, PageRef, Part, SegmentRef, Sha, part_name},
    limits::budget::{Budget, Purpose},
    parts::{loader::Loader, pages::NewPage},
    store::{Draft, ObjectStore, StoreError},
};

/// Objects created side by side: enough to hide the round trip, few enough that commits of others get through.
pub(crate) const CREATE_PARALLEL: usize = 16;
/// How often one object is tried: together with the pauses about five seconds, half of a write's deadline.
const ATTEMPTS: u32 = 6;
/// First pause after a failure, jittered, doubled each time.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause that a `Retry-After`, of the store or of the pace, may impose: half of a write's deadline.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What a client is told to wait where the store does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What making the parts of one KvNamespace takes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PartWriter {
    /// Where they are put.
    pub store: Arc<dyn ObjectStore>,
    /// For their names.
    pub random: Arc<Random>,
    /// What they are charged to.
    pub budget: Arc<Budget>,
    /// What for.
    pub purpose: Purpose,
    /// Their labels and owner.
    pub drafter: Drafter,
}

/// Why parts could not be made. Nothing names them, so nothing that counts was written.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum MakeError {
    /// Nothing was sent.
    #[error("the budget for all KvNamespaces is used up")]
    Budget(#[source] Error),
    /// What the store said, after several attempts where that makes sense.
    #[error("failed to create an object of the data")]
    Store(#[source] StoreError),
}

impl From<MakeError> for Error {
    fn from(error: MakeError) -> Self {
        let refusal = match &error {
            MakeError::Budget(refusal) => return refusal.clone(),
            MakeError::Store(StoreError::Throttled { retry_after }) => {
                Self::new(Reason::Throttled, "The store asks for patience; nothing was written")
                    .with_retry_after(retry_after.unwrap_or(RETRY_AFTER))
            }
            MakeError::Store(StoreError::Refused { message, .. }) => {
                Self::new(Reason::StoreRefused, format!("The store refuses to keep the data: {message}"))
            }
            MakeError::Store(_) => {
                Self::new(Reason::Unavailable, "The store cannot be reached; nothing was written")
                    .with_retry_after(RETRY_AFTER)
            }
        };
        refusal.with_source(error)
    }
}

impl PartWriter {
    /// Reads what is made here.
    #[must_use]
    pub(crate) fn loader(&self) -> Loader {
        Loader::new(Arc::clone(&self.store), self.drafter.namespace.clone())
    }

    /// A segment of these lines, whose first record has the version `first`, and whose keys are within `keys`.
    #[must_use]
    pub(crate) fn segment(
        &self,
        first: u64,
        records: u64,
        lines: String,
        keys: Option<KeyBounds>,
    ) -> (SegmentRef, Draft) {
        let nonce = self.random.hex128();
        let (bytes, sha256) = (lines.len() as u64, Sha::of(lines.as_bytes()));
        let draft = self.drafter.lines(Part::Log, &nonce, lines);
        (SegmentRef { segment: draft.name.name.to_string(), first, records, bytes, sha256, keys }, draft)
    }

    /// A page of the state at `version`, whose range begins at `from`.
    #[must_use]
    pub(crate) fn page(&self, version: u64, from: Option<Key>, page: NewPage) -> (PageRef, Draft) {
        let NewPage { entries, lines } = page;
        let (bytes, sha256) = (lines.len() as u64, Sha::of(lines.as_bytes()));
        let draft = self.drafter.lines(Part::Page, &self.random.hex128(), lines);
        (PageRef { page: draft.name.name.to_string(), from, version, entries, bytes, sha256 }, draft)
    }

    /// The manifest that names `pages` and `segments`, built upon `base` so that children which say the same are
    /// used again.
    #[must_use]
    pub(crate) fn manifest(
        &self,
        base: &Manifest,
        (checkpoint, expired_before): (u64, u64),
        pages: Vec<PageRef>,
        segments: Vec<SegmentRef>,
    ) -> (ManifestRef, Manifest, Vec<Draft>) {
        let namespace = &self.drafter.namespace;
        let name = |nonce: &str| part_name(namespace, Part::Manifest, nonce).name.to_string();
        let mut mint = || self.random.hex128();
        let mut written = Vec::new();
        let manifest = Manifest {
            checkpoint,
            expired_before,
            pages: base.pages.rebuilt(pages, &mut mint, &name, &mut written),
            segments: base.segments.rebuilt(segments, &mut mint, &name, &mut written),
        };
        let top = manifest.top(mint());
        let reference = ManifestRef { manifest: name(&top.nonce), sha256: Sha::of(top.lines.as_bytes()) };
        written.push(top);
        let drafts = written.into_iter().map(|object| self.drafter.manifest(object)).collect();
        (reference, manifest, drafts)
    }

    /// Creates all objects. On an error some exist: garbage, unless something comes to name them.
    ///
    /// # Errors
    /// See [`MakeError`].
    pub(crate) async fn create(&self, drafts: Vec<Draft>) -> Result<(), MakeError> {
        let bytes = drafts.iter().map(|draft| draft.content.size()).sum();
        let charged = self.budget.charge(&self.drafter.namespace, self.purpose, bytes, drafts.len() as u64);
        charged.map_err(MakeError::Budget)?;
        stream::iter(drafts)
            .map(|draft| async move { self.create_one(&draft).await })
            .buffer_unordered(CREATE_PARALLEL)
            .try_collect()
            .await
            .map_err(MakeError::Store)
    }

    async fn create_one(&self, draft: &Draft) -> Result<(), StoreError> {
        let (mut pause, mut attempt) = (PAUSE, 1);
        loop {
            let error = match self.store.create(draft).await {
                // A name of 128 random bits is nobody else's: an earlier attempt has landed.
                Ok(_) | Err(StoreError::Exists(_)) => return Ok(()),
                Err(error) => error,
            };
            let wait = match &error {
                // A write has not so much patience.
                StoreError::Throttled { retry_after: Some(wait) } if *wait > LONGEST_PAUSE => {
                    return Err(error);
                }
                StoreError::Throttled { retry_after } => retry_after.unwrap_or(pause),
                StoreError::Unknown { .. } => pause,
                _ => return Err(error),
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            sleep(wait + self.random.jitter(wait)).await;
            pause *= 2;
            attempt += 1;
        }
    }
}
