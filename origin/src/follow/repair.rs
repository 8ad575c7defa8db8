//! The way back after damage: a new root, with a new incarnation, of what is known for certain. It stands upon the very
//! root that it replaces, and gives up no key unless the caller accepts that.

use std::sync::Arc;

use nearkv::{Error, Incarnation, Reason, Version};
use tokio::time::{Duration, Instant, sleep, sleep_until};

use super::create::unreachable;
use crate::{
    Health, OnLoss, Repair,
    follow::{
        advance::Before,
        follower::Follower,
        recognise::{self, Kind},
    },
    format::{Manifest, ManifestRef, PageRef, Root, SegmentRef, root_name},
    parts::{
        pages::{self, LostPages, NewPage, PageEntry, PlannedPage},
        writer::CREATE_PARALLEL,
    },
    settings::{CONFLICT_PAUSE, REPAIR_ATTEMPTS, others_heal},
    state::{
        damage::Damage,
        entries::{Entries, Slot},
        lost_values::LostValues,
        snapshot::Snapshot,
    },
    store::{StoreError, Token},
};

/// What a repaired root is made of.
struct Base {
    view: Arc<Snapshot>,
    /// The root object that it replaces; `None` where there is none.
    replaces: Option<Token>,
    /// Records that the root says it has and this replica has not.
    behind: u64,
}

impl Follower {
    /// Writes the root anew, if it is missing or damaged or leads to a part that is lost. What is there is replaced only if
    /// it is ours, of a known format, and still the object that was read.
    ///
    /// # Errors
    /// `namespace-damaged` (503) where there is something else under the root's name; `unavailable` (503) where this replica
    /// holds no state, or the root changes all the time; what the store refuses.
    pub(crate) async fn repair(&self, on_loss: OnLoss) -> Result<Repair, Error> {
        let mut written: Option<Pages> = None;
        // What was put back in time is not lost.
        let mut lost = Before::IsReadAgain;
        let others_heal = others_heal(self.space.context.budget.total().objects);
        for _ in 0..REPAIR_ATTEMPTS {
            let base = match self.base(&mut lost).await? {
                Found::Sound(version) => return Ok(Repair::Done(version)),
                Found::Moved => continue,
                Found::Base(base) => base,
            };
            if let Some(loss) = self.loss(&base) {
                let first = base.view.open_damage().map(|damage| damage.since).min();
                match on_loss {
                    OnLoss::Refuse => return Ok(Repair::WouldDrop(loss)),
                    // Another replica may hold what is lost here. Its audit finds the loss and writes it again.
                    OnLoss::Accept if first.is_some_and(|first| first.elapsed() < others_heal) => {
                        sleep_until(first.map_or_else(Instant::now, |first| first + others_heal)).await;
                        lost = Before::IsReadAgain;
                        continue;
                    }
                    OnLoss::Accept => {}
                }
            }
            let young = self.space.context.settings.grace / 2;
            let mut pages = match written.take().filter(|pages| pages.lead_to(&base.view, young)) {
                Some(pages) => pages,
                None => self.pages(&base.view).await?,
            };
            let root = self.name(&mut pages, &base.view).await?;
            let draft = self.space.part_writer().drafter.root(root.encode());
            let swapped = match &base.replaces {
                Some(token) => self.space.context.store.replace(&draft, token).await,
                None => self.space.context.store.create(&draft).await,
            };
            match swapped {
                Ok(_) | Err(StoreError::Unknown { .. }) => {
                    let repaired = self.refresh().await?;
                    if repaired.root.incarnation == root.incarnation {
                        return Ok(Repair::Done(repaired.version()));
                    }
                }
                // Somebody has committed, or repaired, meanwhile: upon that root, then.
                Err(StoreError::Conflict(_) | StoreError::Missing(_) | StoreError::Exists(_)) => {}
                Err(error) => return Err(self.refused(error)),
            }
            written = Some(pages);
            sleep(self.space.context.random.jitter(CONFLICT_PAUSE)).await;
        }
        Err(unreachable("write the root: it changes all the time"))
    }

    /// What there is to stand upon: the root as far as it can be read, else memory.
    async fn base(&self, lost: &mut Before) -> Result<Found, Error> {
        let look = match std::mem::replace(lost, Before::StaysLost) {
            Before::IsReadAgain => self.look_again().await,
            Before::StaysLost => self.refresh().await,
        };
        match look {
            Ok(view)
                if view.open_damage().next().is_none()
                    && self.space.values.among(&view.entries).is_empty() =>
            {
                return Ok(Found::Sound(view.version()));
            }
            Ok(view) => {
                let replaces = Some(view.token.clone());
                return Ok(Found::Base(Base { view, replaces, behind: 0 }));
            }
            Err(error) if error.reason() == Reason::NamespaceDamaged || self.space.view().is_none() => {}
            Err(error) => return Err(error),
        }
        let Some(view) = self.space.view() else {
            return Err(Error::new(
                Reason::Unavailable,
                format!(
                    "This replica holds no state of KvNamespace {}: repair it at one that does, or restore the ConfigMaps from a backup",
                    self.space.namespace
                ),
            ));
        };
        let present = self.space.context.store.get(&root_name(&self.space.namespace)).await;
        let present = present.map_err(|error| unreachable("read the root").with_source(error))?;
        let Some(object) = present else {
            return Ok(Found::Base(Base { view, replaces: None, behind: 0 }));
        };
        let replaces = Some(object.meta.token.clone());
        let health = match recognise::kind(&self.space.config(), &object) {
            Kind::Foreign(detail) => Health::NameTaken { detail },
            Kind::Doomed => {
                let detail = "it is an earlier KvNamespace's, and about to be deleted".to_owned();
                Health::NameTaken { detail }
            }
            // Whole to the version that wrote it. What memory has may be far behind it.
            Kind::OtherFormat(detail) => Health::FormatUnknown { detail },
            Kind::Ours(root) => {
                // From a backup, put in the place of one that memory has seen; else it was put in order just now.
                let is_older = root.incarnation == view.root.incarnation && root.swap <= view.root.swap;
                return Ok(if is_older && *root != *view.root {
                    Found::Base(Base { view, replaces, behind: 0 })
                } else {
                    Found::Moved
                });
            }
            Kind::Damaged(_) => {
                let stated = Root::stated(&object.content);
                let newer = stated.filter(|stated| stated.incarnation == view.root.incarnation);
                let behind = newer.map_or(0, |stated| stated.number.saturating_sub(view.root.version));
                return Ok(Found::Base(Base { view, replaces, behind }));
            }
        };
        Err(self.space.damaged(&health))
    }

    /// What would be dropped because it is not known for certain, in words; `None` if nothing.
    fn loss(&self, base: &Base) -> Option<String> {
        let Base { view, behind, .. } = base;
        let open: Vec<&Damage> = view.open_damage().collect();
        let values = self.space.values.among(&view.entries);
        if open.is_empty() && values.is_empty() && *behind == 0 {
            return None;
        }
        let now = self.space.context.clock.now();
        let uncertain = |slot: &&Arc<Slot>| slot.lives(now) && view.damage_of(&slot.put.key).is_some();
        let held = view.entries.iter().filter(uncertain).count() as u64;
        let unread: Option<u64> = open.iter().map(|damage| damage.keys_at_most()).sum();
        let number = match unread {
            Some(unread) => format!("up to {} keys", held + unread + behind + values.len() as u64),
            None => "all keys that this replica has not seen written, an unknown number".to_owned(),
        };
        let mut details: Vec<&str> = open.iter().map(|damage| damage.detail.as_str()).collect();
        let missed = format!("this replica has not seen the last {behind} records of the root");
        details.extend(values.iter().map(String::as_str));
        details.extend((*behind > 0).then_some(&*missed));
        let (account, name) = (self.space.namespace.account(), self.space.namespace.name());
        Some(format!(
            "A repair of KvNamespace {account}/{name} would drop {number}: {}. Nothing was written. Restore what is lost from a backup, or drop these keys with: kubectl kv repair {name} -n {account} --accept-loss",
            details.join("; ")
        ))
    }

    /// Writes all entries that are known for certain into new pages.
    async fn pages(&self, view: &Arc<Snapshot>) -> Result<Pages, Error> {
        let part_writer = self.space.relief_writer();
        let expired_before =
            pages::expired_before(self.space.context.clock.now()).max(view.manifest.expired_before);
        let (of, values) = (Arc::clone(view), Arc::clone(&self.space.values));
        let planned = pages::beside(of.entries.count() as usize, move || {
            let known: Entries = known(&of, &values);
            let planned = pages::plan(&[], &LostPages::new(), known.iter().map(page_entry), expired_before);
            (known, planned)
        });
        let (known, planned) =
            planned.await.map_err(|error| unreachable("plan the pages").with_source(error))?;
        let born = Instant::now();
        let mut pages = Vec::new();
        for (at, some) in planned.chunks(CREATE_PARALLEL).enumerate() {
            let mut drafts = Vec::new();
            for (within, page) in some.iter().enumerate() {
                let until = planned.get(at * CREATE_PARALLEL + within + 1).and_then(PlannedPage::from);
                let entries = known.between(page.from(), until).map(page_entry);
                let new = NewPage::of(entries, expired_before);
                let (page, draft) = part_writer.page(view.root.version, page.from().cloned(), new);
                pages.push(page);
                drafts.push(draft);
            }
            part_writer.create(drafts).await?;
        }
        Ok(Pages { pages, of: view.version(), expired_before, born, named: None })
    }

    /// A root that names these pages, and the records that came since.
    async fn name(&self, pages: &mut Pages, view: &Snapshot) -> Result<Root, Error> {
        let part_writer = self.space.relief_writer();
        let Pages { pages, of: Version { number: version, .. }, expired_before, named, .. } = pages;
        let since = |segment: &&SegmentRef| segment.last() > *version;
        let segments: Vec<SegmentRef> = view.manifest.segments.iter().filter(since).cloned().collect();
        // The less there is to do between the read of the root and the swap, the sooner one of them succeeds.
        let reference = match named.take_if(|(with, _)| *with == segments) {
            Some((_, reference)) => reference,
            None => {
                let marks = (*version, *expired_before);
                let base = Manifest::default();
                let (reference, _, manifests) =
                    part_writer.manifest(&base, marks, pages.clone(), segments.clone());
                part_writer.create(manifests).await?;
                reference
            }
        };
        *named = Some((segments, reference.clone()));
        Ok(Root {
            version: view.root.version,
            declared: view.root.declared.clone(),
            manifest: Some(reference),
            segments: view.root.segments.iter().filter(since).cloned().collect(),
            records: view.root.records.clone(),
            ..Root::empty(self.space.namespace.clone(), Incarnation::mint(&self.space.context.random))
        })
    }
}

/// The entries that are known for certain: what a lost part said of a key is not, and what was before it must not come back.
fn known(view: &Snapshot, values: &LostValues) -> Entries {
    let mut known = Entries::default();
    let is_known = |slot: &&Arc<Slot>| view.damage_of(&slot.put.key).is_none() && values.of(slot).is_none();
    view.entries.iter().filter(is_known).for_each(|slot| known.share(slot));
    known
}

fn page_entry(slot: &Arc<Slot>) -> PageEntry<'_> {
    PageEntry { version: slot.version, put: &slot.put }
}

/// Pages of all entries that are known for certain.
struct Pages {
    pages: Vec<PageRef>,
    /// The state that they are of.
    of: Version,
    expired_before: u64,
    born: Instant,
    /// The manifest that names them, with these segments behind them.
    named: Option<(Vec<SegmentRef>, ManifestRef)>,
}

impl Pages {
    /// Whether these pages and the records since lead to the state of `view`, and are young enough to be named (invariant 6): commits
    /// go on while a repair writes pages, and it need not write them again for each.
    fn lead_to(&self, view: &Snapshot, young: Duration) -> bool {
        let Version { incarnation, number } = self.of;
        let begins = view.root.segments.first().map_or(view.root.first_inline(), |segment| segment.first);
        let is_log_known = view.lost_manifest().is_none() || begins <= number + 1;
        view.root.incarnation == incarnation
            && view.root.version >= number
            && view.manifest.checkpoint <= number
            && is_log_known
            && view.open_damage().all(|damage| damage.through.is_none_or(|through| through <= number))
            && self.born.elapsed() < young
    }
}

/// What a look at the root shows.
enum Found {
    /// There is nothing to repair.
    Sound(Version),
    /// It has changed meanwhile: look again.
    Moved,
    /// It has to be written anew, of this.
    Base(Base),
}
