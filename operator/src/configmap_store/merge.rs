//! Several watches as one: each shows a Kubernetes namespace of its own, and a `Reset` of one says nothing
//! about the others, so the merged watch remembers what all of them have shown. Pure.

use std::collections::BTreeMap;

use nearkv_origin::store::{Object, ObjectName, WatchEvent};

/// What the parts of a merged watch have shown.
pub(super) struct Merge(Vec<Part>);

#[derive(Default)]
struct Part {
    objects: BTreeMap<ObjectName, Object>,
    /// Between its `Reset` and its next `Broken`.
    is_whole: bool,
    /// Has said so since the merged watch last did.
    is_current: bool,
}

impl Merge {
    pub(super) fn of(parts: usize) -> Self {
        Self((0..parts).map(|_| Part::default()).collect())
    }

    /// Takes an event of a part; what the merged watch reports, if anything.
    pub(super) fn absorb(&mut self, index: usize, event: WatchEvent) -> Option<WatchEvent> {
        let was_whole = self.is_whole();
        let part = self.0.get_mut(index)?;
        match event {
            WatchEvent::Reset(objects) => {
                part.objects = objects.into_iter().map(|object| (object.meta.name.clone(), object)).collect();
                part.is_whole = true;
                part.is_current = true;
                let all = || self.0.iter().flat_map(|part| part.objects.values().cloned()).collect();
                self.is_whole().then(|| WatchEvent::Reset(all()))
            }
            WatchEvent::Applied(object) => {
                part.objects.insert(object.meta.name.clone(), object.clone());
                was_whole.then_some(WatchEvent::Applied(object))
            }
            WatchEvent::Deleted(meta) => {
                part.objects.remove(&meta.name);
                was_whole.then_some(WatchEvent::Deleted(meta))
            }
            WatchEvent::Current => {
                part.is_current = true;
                let is_current = was_whole && self.0.iter().all(|part| part.is_current);
                if is_current {
                    self.0.iter_mut().for_each(|part| part.is_current = false);
                }
                is_current.then_some(WatchEvent::Current)
            }
            WatchEvent::Broken => {
                part.is_whole = false;
                was_whole.then_some(WatchEvent::Broken)
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.0.iter().all(|part| part.is_whole)
    }
}

#[cfg(test)]
mod tests {
    use nearkv::UnixMillis;

    use super::*;
    use nearkv_origin::store::{Content, Meta, ObjectId, Token};

    fn object(folder: &str) -> Object {
        let meta = Meta {
            name: ObjectName::new(folder, "settings.kv"),
            id: ObjectId("1".into()),
            token: Token("1".into()),
            labels: BTreeMap::new(),
            owner: None,
            created: UnixMillis(0),
            deleting: false,
        };
        Object { meta, content: Content::default() }
    }

    fn names(event: Option<WatchEvent>) -> Vec<String> {
        let Some(WatchEvent::Reset(objects)) = event else { panic!("{event:?}") };
        objects.iter().map(|object| object.meta.name.folder.to_string()).collect()
    }

    #[test]
    fn a_merged_watch_shows_all_once_every_part_has() {
        let mut merge = Merge::of(2);
        assert!(merge.absorb(0, WatchEvent::Reset(vec![object("a")])).is_none());
        assert!(merge.absorb(0, WatchEvent::Deleted(object("a").meta)).is_none());
        assert!(merge.absorb(0, WatchEvent::Applied(object("a"))).is_none());
        assert_eq!(names(merge.absorb(1, WatchEvent::Reset(vec![object("b")]))), ["a", "b"]);
        assert!(matches!(
            merge.absorb(1, WatchEvent::Deleted(object("b").meta)),
            Some(WatchEvent::Deleted(_))
        ));
        assert_eq!(names(merge.absorb(0, WatchEvent::Reset(vec![]))), [""; 0]);
    }

    #[test]
    fn a_merged_watch_is_broken_until_every_part_is_whole() {
        let mut merge = Merge::of(2);
        merge.absorb(0, WatchEvent::Reset(vec![]));
        merge.absorb(1, WatchEvent::Reset(vec![]));
        assert!(matches!(merge.absorb(0, WatchEvent::Broken), Some(WatchEvent::Broken)));
        assert!(merge.absorb(1, WatchEvent::Broken).is_none());
        assert!(merge.absorb(0, WatchEvent::Reset(vec![object("a")])).is_none());
        assert!(merge.absorb(0, WatchEvent::Current).is_none());
        assert_eq!(names(merge.absorb(1, WatchEvent::Reset(vec![]))), ["a"]);
    }

    #[test]
    fn a_merged_watch_is_current_when_every_part_is() {
        let mut merge = Merge::of(2);
        merge.absorb(0, WatchEvent::Reset(vec![]));
        merge.absorb(1, WatchEvent::Reset(vec![]));
        assert!(matches!(merge.absorb(0, WatchEvent::Current), Some(WatchEvent::Current)));
        assert!(merge.absorb(0, WatchEvent::Current).is_none());
        assert!(matches!(merge.absorb(1, WatchEvent::Current), Some(WatchEvent::Current)));
    }
}
