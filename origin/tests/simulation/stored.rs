//! What a root says, read from the objects that it reaches: with the engine's format, and none of its other code.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nearkv_origin::{
    format::{
        Manifest, Part, Record, Root, Sha, StoredValue, Top, Versioned, checked_lines, chunk_bytes,
        chunk_name, decode_lines, root_name,
    },
    store::{Object, ObjectName},
};

use crate::{
    ledger::Ledger,
    life::{Entries, apply},
};

impl Ledger {
    fn part(&self, name: &str) -> Result<&Object, String> {
        let name = ObjectName::new(self.namespace.account(), name);
        let there = if self.wounds.destroyed.contains(&name) {
            self.archive.get(&name)
        } else {
            self.objects.get(&name)
        };
        there.map(|object| &**object).ok_or_else(|| format!("it reaches {name}, which is not there"))
    }

    fn lines(&self, part: Part, name: &str, sha256: Sha) -> Result<&str, String> {
        checked_lines(part, &self.part(name)?.content, sha256).map_err(|error| format!("{name}: {error}"))
    }

    /// The lines of a part, which are decoded once as long as it is what it was.
    fn decoded(
        &self,
        part: Part,
        name: &str,
        sha256: Sha,
        first: Option<u64>,
    ) -> Result<Arc<Vec<Versioned>>, String> {
        // It must be there still.
        let object = self.part(name)?;
        let mut known = self.known.lock();
        if let Some((of, began, lines)) = known.get(name)
            && of == object
            && *began == first
        {
            return Ok(Arc::clone(lines));
        }
        let lines = self.lines(part, name, sha256)?;
        let lines = Arc::new(decode_lines(lines, first).map_err(|error| format!("{name}: {error}"))?);
        known.insert(name.to_owned(), (object.clone(), first, Arc::clone(&lines)));
        Ok(lines)
    }

    /// What the manifest says that the root names.
    pub(crate) fn manifest(&self, root: &Root) -> Result<Manifest, String> {
        let Some(reference) = &root.manifest else { return Ok(Manifest::default()) };
        let lines = self.lines(Part::Manifest, &reference.manifest, reference.sha256)?;
        let top = Top::decode(lines).map_err(|error| format!("{}: {error}", reference.manifest))?;
        let children: Result<Vec<_>, String> = top
            .children()
            .map(|child| self.lines(Part::Manifest, &child.manifest, child.sha256).map(str::to_owned))
            .collect();
        top.with(&children?).map_err(|error| format!("{}: {error}", reference.manifest))
    }

    /// All that a root with this manifest says: the entries, and the records that are still in its log.
    pub(crate) fn load(
        &self,
        root: &Root,
        manifest: &Manifest,
    ) -> Result<(Entries, BTreeMap<u64, Record>), String> {
        let mut entries = Entries::new();
        for page in manifest.pages.iter() {
            for Versioned { version, record } in &*self.decoded(Part::Page, &page.page, page.sha256, None)? {
                apply(&mut entries, *version, record);
            }
        }
        let mut log = BTreeMap::new();
        for segment in manifest.segments.iter().chain(&root.segments) {
            let first = Some(segment.first);
            let decoded = self.decoded(Part::Log, &segment.segment, segment.sha256, first)?;
            log.extend(decoded.iter().map(|one| (one.version, one.record.clone())));
        }
        log.extend(root.versioned().map(|Versioned { version, record }| (version, record)));
        for (version, record) in log.range(manifest.checkpoint + 1..) {
            apply(&mut entries, *version, record);
        }
        Ok((entries, log))
    }

    /// The bytes of a stored value.
    pub(crate) fn value(&self, value: &StoredValue) -> Result<Vec<u8>, String> {
        match value {
            StoredValue::Inline(bytes) => Ok(bytes.to_vec()),
            StoredValue::Chunked(chunks) => {
                let mut whole = Vec::new();
                for index in 0..chunks.count {
                    let name = chunk_name(&self.namespace, &chunks.nonce, index).name.to_string();
                    let bytes = chunk_bytes(&self.part(&name)?.content).map_err(|error| error.to_string())?;
                    whole.extend_from_slice(bytes);
                }
                Ok(whole)
            }
        }
    }

    /// The names of all parts that the root reaches.
    pub(crate) fn reachable(&self) -> BTreeSet<ObjectName> {
        let mut reached = BTreeSet::new();
        let Some((_, root)) = &self.current else { return reached };
        let mut named = |name: &str| {
            reached.insert(ObjectName::new(self.namespace.account(), name));
        };
        named(&root_name(&self.namespace).name);
        let manifest = self.manifest(root);
        let entries = manifest.as_ref().ok().and_then(|manifest| self.load(root, manifest).ok());
        let manifest = manifest.unwrap_or_default();
        root.manifest.iter().for_each(|top| named(&top.manifest));
        manifest.children().for_each(|child| named(&child.manifest));
        manifest.pages.iter().for_each(|page| named(&page.page));
        manifest.segments.iter().chain(&root.segments).for_each(|segment| named(&segment.segment));
        for (_, put) in entries.iter().flat_map(|(entries, _)| entries.values()) {
            if let StoredValue::Chunked(chunks) = &put.value {
                for index in 0..chunks.count {
                    named(&chunk_name(&self.namespace, &chunks.nonce, index).name);
                }
            }
        }
        reached
    }
}
