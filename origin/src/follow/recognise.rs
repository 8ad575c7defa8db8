//! Whether an object under a root's name is the root of this KvNamespace (design §6 invariants 7 and 10). Pure.

use crate::{
    NamespaceConfig,
    format::{FormatError, LABEL_NAMESPACE, LABEL_PART, Part, Root},
    store::Object,
};

/// What an object under the root's name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The root of this KvNamespace.
    Ours(Box<Root>),
    /// The root of an earlier KvNamespace of the name: it goes with its owner, and is waited for, never adopted.
    Doomed,
    /// Something else.
    Foreign(String),
    /// A root of a format that this program does not know, and so keeps its hands off.
    OtherFormat(String),
    /// Our root, but edited or cut off.
    Damaged(String),
}

/// Judges an object.
pub(crate) fn kind(config: &NamespaceConfig, object: &Object) -> Kind {
    let meta = &object.meta;
    let label = |name| meta.labels.get(name).map(String::as_str);
    let labelled = label(LABEL_PART) == Some(Part::Root.as_str())
        && label(LABEL_NAMESPACE) == Some(config.namespace.name());
    if let Some(owner) = &meta.owner
        && owner.id != config.uid
    {
        return if labelled && owner.name == config.namespace.name() {
            Kind::Doomed
        } else {
            Kind::Foreign(format!("{} belongs to {} ({})", meta.name, owner.name, owner.id))
        };
    }
    match Root::decode(&object.content) {
        Ok(root) if root.namespace != config.namespace => {
            Kind::Foreign(format!("{} holds the data of {}", meta.name, root.namespace))
        }
        Ok(_) if !labelled => Kind::Damaged(format!("{} has lost its labels", meta.name)),
        Ok(root) => match gap(&root) {
            Some(gap) => Kind::Damaged(gap),
            None => Kind::Ours(Box::new(root)),
        },
        Err(FormatError::FieldMissing(field)) if !labelled => {
            Kind::Foreign(format!("{} is no root: field {field:?} is missing", meta.name))
        }
        Err(error @ FormatError::Unknown(_)) => Kind::OtherFormat(error.to_string()),
        Err(error) => Kind::Damaged(error.to_string()),
    }
}

/// Says where the segments and records that a root names do not follow each other.
fn gap(root: &Root) -> Option<String> {
    if root.records.len() as u64 > root.version {
        return Some("more records than versions".to_owned());
    }
    let mut after = None;
    for segment in &root.segments {
        if segment.records == 0 || after.is_some_and(|after| after != segment.first) {
            return Some(format!("segment {} does not follow the one before it", segment.segment));
        }
        after = Some(segment.last() + 1);
    }
    (after.is_some_and(|after| after != root.first_inline()))
        .then(|| "the inline records do not follow the segments".to_owned())
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random, UnixMillis};

    use super::*;
    use crate::{
        CacheConfig, DEFAULT_MIN_TTL, DeletionPolicy, Quota,
        format::Drafter,
        store::{Meta, ObjectId, Owner, Token},
    };

    fn config() -> NamespaceConfig {
        NamespaceConfig {
            namespace: "team-a/settings".parse().unwrap(),
            uid: "u1".into(),
            cache: CacheConfig::default(),
            min_ttl: DEFAULT_MIN_TTL,
            quota: Quota::default(),
            deletion_policy: DeletionPolicy::Delete,
        }
    }

    fn object(owner: Option<(&str, &str)>) -> Object {
        let namespace = config().namespace;
        let root = Root::empty(namespace.clone(), Incarnation::mint(&Random::seeded(1)));
        let owner = owner.map(|(name, id)| Owner { name: name.into(), id: id.into() });
        let draft = Drafter { namespace, owner }.root(root.encode());
        let meta = Meta {
            name: draft.name,
            id: ObjectId("1".into()),
            token: Token("1".into()),
            labels: draft.labels,
            owner: draft.owner,
            created: UnixMillis(0),
            deleting: false,
        };
        Object { meta, content: draft.content }
    }

    #[test]
    fn invariant_10_a_root_of_another_life_is_doomed_and_an_ownerless_one_is_adopted() {
        assert!(matches!(kind(&config(), &object(Some(("settings", "u1")))), Kind::Ours(_)));
        assert!(matches!(kind(&config(), &object(None)), Kind::Ours(_)));
        assert_eq!(kind(&config(), &object(Some(("settings", "u0")))), Kind::Doomed);
        assert!(matches!(kind(&config(), &object(Some(("somebody", "u9")))), Kind::Foreign(_)));
    }

    #[test]
    fn invariant_7_an_edited_root_is_damaged_and_a_strangers_object_is_foreign() {
        let mut edited = object(None);
        edited.content.text.insert("records".into(), "{\"delete\":\"a\"}\n".into());
        assert!(matches!(kind(&config(), &edited), Kind::Damaged(_)));
        let mut foreign = object(None);
        foreign.meta.labels.clear();
        foreign.content.text.clear();
        assert!(matches!(kind(&config(), &foreign), Kind::Foreign(_)));
        let mut other = config();
        other.namespace = "team-b/settings".parse().unwrap();
        assert!(matches!(kind(&other, &object(None)), Kind::Foreign(_)));
    }
}
