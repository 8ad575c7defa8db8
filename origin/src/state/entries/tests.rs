use nearkv::{Expiration, Random};

use super::*;
use crate::format::Chunks;

fn put(key: &str, expiration: Option<u64>, declared: bool) -> Record {
    Record::Put(Put {
        key: Key::new(key).unwrap(),
        value: StoredValue::Inline("12345".into()),
        metadata: None,
        expiration: expiration.map(Expiration),
        declared,
    })
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

#[test]
fn what_has_ended_counts_neither_as_an_entry_nor_against_a_quota() {
    let mut entries = Entries::default();
    entries.apply(1, put("a", Some(10), false));
    entries.apply(2, put("b", None, true));
    let (before, after) = (UnixMillis(9_999), UnixMillis(10_000));
    assert_eq!(entries.usage(before), Usage { keys: 2, bytes: 12 });
    assert_eq!(entries.usage(after), Usage { keys: 1, bytes: 6 });
    assert!(entries.live(&key("a"), before).is_some() && entries.live(&key("a"), after).is_none());
    entries.drop_ended(1, 9);
    assert!(entries.get(&key("a")).is_some(), "it had not ended");
    entries.drop_ended(0, 10);
    assert!(entries.get(&key("a")).is_some(), "it is newer than the checkpoint");
    entries.drop_ended(1, 10);
    assert!(entries.get(&key("a")).is_none());
}

/// What a walk over all entries finds.
fn walked(entries: &Entries, second: u64) -> Expired {
    let mut expired = Expired::default();
    let has_ended = |slot: &&Arc<Slot>| slot.put.expiration.is_some_and(|expiration| expiration.0 <= second);
    entries.iter().filter(has_ended).for_each(|slot| expired.add(slot));
    expired
}

#[test]
fn what_has_expired_is_counted_rightly_whatever_is_written_and_wherever_the_clock_goes() {
    let random = Random::seeded(1);
    let (mut entries, mut second) = (Entries::default(), 1000_u64);
    for version in 1..3000 {
        let name = format!("k{}", random.below(40));
        match random.below(10) {
            0 => entries.apply(version, Record::Delete(key(&name))),
            1 => entries.apply(version, put(&name, None, false)),
            2 => entries.drop_ended(random.below(version), second.saturating_sub(60)),
            _ => entries.apply(version, put(&name, Some(second + random.below(100)), false)),
        }
        second = match random.below(20) {
            0 => second.saturating_sub(random.below(300)),
            1 => second + random.below(300),
            _ => second + random.below(3),
        };
        // A snapshot is asked by itself, and the next state is made of it.
        let snapshot = entries.clone();
        assert_eq!(snapshot.expired_by(Moment::Now, second), walked(&snapshot, second));
        let long_ago = second.saturating_sub(60);
        if random.below(3) == 0 {
            assert_eq!(entries.expired_by(Moment::Droppable, long_ago), walked(&entries, long_ago));
        }
        let usage = entries.usage(UnixMillis(second * 1000));
        assert_eq!(usage.keys, entries.count() - walked(&entries, second).keys);
    }
}

/// As many as 500 puts a second with a time to live of a minute leave behind, asked for at every commit: walked each
/// time, this would take minutes.
#[test]
fn counting_what_lives_does_not_walk_what_has_expired() {
    let mut entries = Entries::default();
    for second in 0..60 {
        for n in 0..500 {
            entries.apply(second + 1, put(&format!("{second}/{n}"), Some(second), false));
        }
    }
    for moment in 0..60_000 {
        entries.apply(100 + moment, put("again", Some(moment / 1000 + 1), false));
        assert!(entries.usage(UnixMillis(moment)).keys > 0 || moment >= 59_000);
        entries = entries.clone();
    }
    assert_eq!(entries.usage(UnixMillis(60_000)).keys, 0);
}

#[test]
fn counts_follow_every_replacement() {
    let mut entries = Entries::default();
    let chunks = Chunks { nonce: "n".into(), count: 3, size: 7, sha256: crate::format::Sha::of(b"") };
    for (version, record) in [
        put("a", Some(10), true),
        put("a", Some(10), true),
        put("a", Some(20), false),
        put("a", None, true),
        Record::Put(Put {
            key: key("a"),
            value: StoredValue::Chunked(chunks),
            metadata: None,
            expiration: None,
            declared: true,
        }),
    ]
    .into_iter()
    .enumerate()
    {
        entries.apply(version as u64, record);
        assert_eq!(entries.declared().count(), usize::from(version != 2));
        assert_eq!(entries.ending.len(), usize::from(version < 3));
    }
    assert_eq!((entries.chunks(), entries.usage(UnixMillis(0)).bytes), (3, 8));
    entries.apply(9, Record::Delete(key("a")));
    assert_eq!((entries.chunks(), entries.bytes, entries.declared().count()), (0, 0, 0));
}

#[test]
fn a_range_starts_behind_its_cursor_and_ends_with_its_prefix() {
    let mut entries = Entries::default();
    for (version, name) in ["a", "b/1", "b/2", "b/3", "c"].into_iter().enumerate() {
        entries.apply(version as u64, put(name, None, false));
    }
    let names = |prefix: &str, after: Option<&str>| {
        let (prefix, after) = (Prefix::new(prefix).unwrap(), after.map(key));
        let names: Vec<_> =
            entries.from(&prefix, after.as_ref()).map(|slot| slot.put.key.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(names("b/", None), "b/1 b/2 b/3");
    assert_eq!(names("b/", Some("b/2")), "b/3");
    assert_eq!(names("b/", Some("a")), "b/1 b/2 b/3");
    assert_eq!(names("", Some("b/3")), "c");
    assert_eq!(entries.between(Some(&key("b")), Some(&key("b/3"))).count(), 2);
}
