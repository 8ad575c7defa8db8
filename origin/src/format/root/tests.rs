//! Roots read back, whatever is edited is not believed, and what stands beside them may be dropped.

use nearkv::{Key, Random};

use super::*;
use crate::format::KeyBounds;

fn root() -> Root {
    let mut root = Root::empty("team-a/settings".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
    root.version = 12;
    root.writers.insert("p".into(), Writer { batch: 3, version: 12, at: 5000 });
    let sha256 = Sha::of(b"lines");
    root.segments.push(SegmentRef {
        segment: "settings.kv.log.1".into(),
        first: 10,
        records: 2,
        bytes: 40,
        sha256,
        keys: KeyBounds::of([&Key::new("a").unwrap(), &Key::new("old").unwrap()]),
    });
    root.records.push(Record::Delete(Key::new("old").unwrap()));
    root
}

#[test]
fn a_root_reads_back_as_it_was_written() {
    let root = root();
    let back = Root::decode(&root.encode()).unwrap();
    assert_eq!(back, root);
    assert_eq!(back.segments[0].keys, root.segments[0].keys);
    assert_eq!(root.versioned().next().unwrap().version, 12);
}

#[test]
fn the_bounds_of_segments_stand_beside_what_earlier_versions_parse_and_may_be_dropped() {
    let root = root();
    let mut content = root.encode();
    let mut bare = root.clone();
    bare.segments[0].keys = None;
    let earlier = bare.encode();
    for field in [FIELD_ROOT, FIELD_RECORDS, FIELD_DIGEST] {
        assert_eq!(content.text[field], earlier.text[field], "{field}");
    }
    assert_eq!(earlier.text.len(), 3, "nothing known, nothing said");
    content.text.get_mut(bounds::FIELD_BOUNDS).unwrap().push(' ');
    for content in [content, earlier] {
        let back = Root::decode(&content).unwrap();
        assert_eq!((&back, &back.segments[0].keys), (&root, &None));
    }
}

#[test]
fn an_edited_root_is_not_believed() {
    for field in [FIELD_ROOT, FIELD_RECORDS, FIELD_DIGEST] {
        let mut content = root().encode();
        content.text.get_mut(field).unwrap().push(' ');
        assert_eq!(Root::decode(&content).unwrap_err(), FormatError::Digest, "{field}");
        content.text.remove(field);
        assert_eq!(Root::decode(&content).unwrap_err(), FormatError::FieldMissing(field));
    }
}

#[test]
fn a_newer_format_is_known_as_such_whatever_else_it_has_changed() {
    let mut content = root().encode();
    let newer = content.text[FIELD_ROOT].replace("\"format\": 1", "\"format\": 2");
    let digest = digest(&newer, &content.text[FIELD_RECORDS]).to_string();
    content.text.insert(FIELD_ROOT.into(), newer);
    for digest in [Some(digest), Some("of another kind".to_owned()), None] {
        content.text.remove(FIELD_DIGEST);
        content.text.extend(digest.map(|digest| (FIELD_DIGEST.to_owned(), digest)));
        assert_eq!(Root::decode(&content).unwrap_err(), FormatError::Unknown(2));
    }
    content.text.remove(FIELD_RECORDS);
    content.text.insert(FIELD_ROOT.into(), r#"{"format": 3, "all": "else"}"#.into());
    assert_eq!(Root::decode(&content).unwrap_err(), FormatError::Unknown(3));
}
