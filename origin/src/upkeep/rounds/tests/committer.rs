//! The smallest committer that keeps the rules: one replica, no conflicts, no lost answers.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use imbl::OrdMap;
use nearkv::{Incarnation, Key, Random};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::upkeep::rounds::*;
use crate::{
    format::{Drafter, PART_BYTES, Put, Record, Root, StoredValue, encode_lines},
    limits::budget::{Budget, Purpose},
    parts::pages::PageEntry,
    settings::INLINE_ROOT_BYTES,
    state::{damage::Damage, entries::Slot, expired::Expired},
    store::{ObjectName, ObjectStore, Token, simulated::Simulated},
    upkeep::inventory::Handover,
};

/// What it has in memory.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) root: Root,
    pub(crate) token: Token,
    pub(crate) entries: OrdMap<Key, (u64, Put)>,
    pub(crate) manifest: Arc<Manifest>,
}

impl View for State {
    fn root(&self) -> &Root {
        &self.root
    }

    fn entries(&self) -> Box<dyn Iterator<Item = PageEntry<'_>> + Send + '_> {
        Box::new(self.entries.values().map(|(version, put)| PageEntry { version: *version, put }))
    }

    fn between<'a>(
        &'a self,
        from: Option<&'a Key>,
        until: Option<&'a Key>,
    ) -> Box<dyn Iterator<Item = PageEntry<'a>> + Send + 'a> {
        let is_within = move |entry: &PageEntry<'_>| {
            from.is_none_or(|from| entry.put.key >= *from) && until.is_none_or(|until| entry.put.key < *until)
        };
        Box::new(self.entries().filter(is_within))
    }

    fn keys(&self) -> u64 {
        self.entries.len() as u64
    }

    fn chunks(&self) -> u64 {
        let chunks = |put: &Put| if let StoredValue::Chunked(chunks) = &put.value { chunks.count } else { 0 };
        self.entries.values().map(|(_, put)| u64::from(chunks(put))).sum()
    }

    fn expired_by(&self, second: u64) -> Expired {
        let mut ended = Expired::default();
        let has_ended = |put: &Put| put.expiration.is_some_and(|expiration| expiration.0 <= second);
        for (version, put) in self.entries.values().filter(|(_, put)| has_ended(put)) {
            ended.add(&Slot { version: *version, put: put.clone() });
        }
        ended
    }

    fn has_ending(&self) -> bool {
        self.entries.values().any(|(_, put)| put.expiration.is_some())
    }

    fn manifest(&self) -> Option<Arc<Manifest>> {
        Some(Arc::clone(&self.manifest))
    }

    fn damage(&self) -> &[Damage] {
        &[]
    }
}

/// The one committer of a KvNamespace.
pub(crate) struct Committer {
    pub(crate) part_writer: PartWriter,
    pub(crate) state: Mutex<Arc<State>>,
    pub(crate) swapping: tokio::sync::Mutex<()>,
    pub(crate) changed: Notify,
    pub(crate) trusted: Mutex<bool>,
    pub(crate) doubted: Mutex<HashSet<ObjectName>>,
    pub(crate) listings: Handover,
}

impl Committer {
    pub(crate) async fn new(store: &Simulated, random: &Arc<Random>) -> Arc<Self> {
        let part_writer = PartWriter {
            store: Arc::new(store.clone()),
            random: Arc::clone(random),
            budget: Arc::new(Budget::default()),
            purpose: Purpose::Relief,
            drafter: Drafter { namespace: "a/b".parse().unwrap(), owner: None },
        };
        let root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(random));
        let created = store.create(&part_writer.drafter.root(root.encode())).await.unwrap();
        let manifest = Arc::default();
        let state = State { root, token: created.token, entries: OrdMap::new(), manifest };
        Arc::new(Self {
            part_writer,
            state: Mutex::new(Arc::new(state)),
            swapping: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            trusted: Mutex::new(true),
            doubted: Mutex::default(),
            listings: Handover::default(),
        })
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.lock())
    }

    pub(crate) async fn commit(&self, records: Vec<Record>) {
        let _swapping = self.swapping.lock().await;
        let mut next = (*self.state()).clone();
        for record in records {
            next.root.version += 1;
            match &record {
                Record::Put(put) => {
                    next.entries.insert(put.key.clone(), (next.root.version, put.clone()));
                }
                Record::Delete(key) => {
                    next.entries.remove(key);
                }
            }
            next.root.records.push(record);
        }
        if next.root.encode().size() as usize > INLINE_ROOT_BYTES {
            self.spill(&mut next.root).await;
        }
        self.swap(next).await;
    }

    pub(crate) async fn spill(&self, root: &mut Root) {
        let mut first = root.first_inline();
        let mut runs: Vec<(u64, String)> = Vec::new();
        for record in std::mem::take(&mut root.records) {
            let line = encode_lines([&record]);
            match runs.last_mut() {
                Some((records, run)) if run.len() + line.len() <= PART_BYTES => {
                    *records += 1;
                    run.push_str(&line);
                }
                _ => runs.push((1, line)),
            }
        }
        for (records, lines) in runs {
            let (segment, draft) = self.part_writer.segment(first, records, lines, None);
            self.part_writer.create(vec![draft]).await.unwrap();
            first += records;
            root.segments.push(segment);
        }
    }

    pub(crate) async fn swap(&self, mut next: State) {
        next.root.swap += 1;
        let draft = self.part_writer.drafter.root(next.root.encode());
        next.token = self.part_writer.store.replace(&draft, &next.token).await.unwrap().token;
        *self.state.lock() = Arc::new(next);
        self.changed.notify_one();
    }
}

#[async_trait]
impl Host for Committer {
    fn snapshot(&self) -> Option<Arc<dyn View>> {
        self.trusted.lock().then(|| self.state() as Arc<dyn View>)
    }

    async fn amend(&self, amendment: Amendment) -> Result<Arc<dyn View>, AmendError> {
        let _swapping = self.swapping.lock().await;
        let mut next = (*self.state()).clone();
        next.root = amendment.apply(&next.root).map_err(|_| AmendError::Superseded)?;
        if let Amendment::Manifest(new) = &amendment {
            next.manifest = Arc::clone(&new.manifest);
            let ended: Vec<Key> = next
                .entries
                .values()
                .filter(|(version, put)| new.manifest.leaves_out(*version, put.expiration))
                .map(|(_, put)| put.key.clone())
                .collect();
            for key in &ended {
                next.entries.remove(key);
            }
        }
        self.swap(next).await;
        Ok(self.state())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn listed(&self) {
        self.listings.arrived().await;
    }

    fn listing(&self) -> Option<Arc<Listing>> {
        self.listings.take()
    }

    fn doubt(&self, object: &ObjectName) {
        self.doubted.lock().insert(object.clone());
    }
}
