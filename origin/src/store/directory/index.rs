//! What a directory store knows of its files, and the rule of every change: compare, write durably, remember,
//! tell the watches, all under one lock; but for what is new, whose file is written before the lock is taken. Blocking.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use nearkv::{Clock, Random};
use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use crate::store::{
    Draft, Meta, Object, ObjectId, ObjectName, Selector, StoreError, Token, WatchEvent,
    directory::{
        OpenError,
        files::{self, WriteError},
        manifest::Manifest,
    },
    rules,
};

/// Changes that a slow watch may be behind before it has to start anew.
const WATCH_BUFFER: usize = 256;
/// Shares that names are divided into for their creation: more than are created side by side.
const CREATING: usize = 32;

/// The folder, its files by name, and its watches.
pub(super) struct Index {
    data: PathBuf,
    clock: Arc<dyn Clock>,
    /// Minted at every start: with the counter behind it no token or identity is ever used twice.
    session: String,
    state: RwLock<State>,
    /// Held while an object is created, by its name's share: one name is created once at a time.
    creating: [Mutex<()>; CREATING],
    changes: broadcast::Sender<WatchEvent>,
    /// Open as long as the folder is ours.
    _lock: File,
}

/// How the writing of a file ended.
type Written = Result<(), WriteError>;

struct State {
    entries: BTreeMap<ObjectName, Entry>,
    minted: u64,
}

struct Entry {
    meta: Meta,
    immutable: bool,
}

impl Index {
    pub(super) fn open(data: PathBuf, clock: Arc<dyn Clock>, random: &Random) -> Result<Self, OpenError> {
        let lock = files::lock(&data)?;
        let index = Self {
            data,
            clock,
            session: random.hex128(),
            state: RwLock::new(State { entries: BTreeMap::new(), minted: 0 }),
            creating: Default::default(),
            changes: broadcast::Sender::new(WATCH_BUFFER),
            _lock: lock,
        };
        for (folder, name, path) in files::scan(&index.data)? {
            let name = ObjectName::new(&folder, &name);
            let Some(manifest) = read(&path, &name).map_err(OpenError::Damaged)? else { continue };
            let mut state = index.state.write();
            let meta = index.meta(&mut state, &manifest);
            state.entries.insert(name, Entry { meta, immutable: manifest.draft.immutable });
        }
        Ok(index)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.data
    }

    pub(super) fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        let state = self.state.read();
        let Some(entry) = state.entries.get(name) else { return Ok(None) };
        if let Some(object) = self.load(entry)? {
            return Ok(Some(object));
        }
        drop(state);
        // The file was deleted by hand: then the object is, and the watches hear of it.
        let mut state = self.state.write();
        if !self.path(name).exists() {
            self.forget(&mut state, name);
        }
        Ok(None)
    }

    pub(super) fn list(&self, selector: &Selector) -> Vec<Meta> {
        let state = self.state.read();
        let metas = state.entries.values().map(|entry| &entry.meta);
        metas.filter(|meta| selector.matches(&meta.name, &meta.labels)).cloned().collect()
    }

    /// All objects that match, and every change from there on.
    pub(super) fn snapshot(
        &self,
        selector: &Selector,
    ) -> Result<(Vec<Object>, broadcast::Receiver<WatchEvent>), StoreError> {
        let state = self.state.read();
        let entries = state.entries.values();
        let shown = entries.filter(|entry| selector.matches(&entry.meta.name, &entry.meta.labels));
        let objects: Result<Vec<_>, _> = shown.filter_map(|entry| self.load(entry).transpose()).collect();
        Ok((objects?, self.changes.subscribe()))
    }

    pub(super) fn create(&self, draft: Draft) -> Result<Meta, StoreError> {
        rules::check(&draft)?;
        // Nobody sees the object before it is remembered: its file is written side by side with others.
        let _turn = self.creating[shard(&draft.name)].lock();
        if self.state.read().entries.contains_key(&draft.name) {
            return Err(StoreError::Exists(draft.name));
        }
        let created = Some(self.clock.now());
        let mut manifest = Manifest { draft, id: None, created };
        let meta = self.meta(&mut self.state.write(), &manifest);
        manifest.id = Some(meta.id.clone());
        let written = self.write(&manifest)?;
        self.remember(&mut self.state.write(), manifest, &meta, &written);
        self.outcome(written, "create", &meta.name).map(|()| meta)
    }

    pub(super) fn replace(&self, draft: Draft, expected: &Token) -> Result<Meta, StoreError> {
        rules::check(&draft)?;
        let mut state = self.state.write();
        let Some(entry) = state.entries.get(&draft.name) else {
            return Err(StoreError::Missing(draft.name));
        };
        if entry.meta.token != *expected {
            return Err(StoreError::Conflict(draft.name));
        }
        if entry.immutable
            && let Some(present) = self.load(entry)?
        {
            rules::check_replacement(&draft, &present.content, true)?;
        }
        let (id, created) = (Some(entry.meta.id.clone()), Some(entry.meta.created));
        self.store(&mut state, Manifest { draft, id, created }, "replace")
    }

    pub(super) fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        let mut state = self.state.write();
        match state.entries.get(name) {
            None => return Err(StoreError::Missing(name.clone())),
            Some(entry) if entry.meta.id != *id => return Err(StoreError::Conflict(name.clone())),
            Some(_) => {}
        }
        let written = files::remove(&self.data, &name.folder, &name.name);
        if !matches!(written, Err(WriteError::Before(_))) {
            self.forget(&mut state, name);
        }
        self.outcome(written, "delete", name)
    }

    /// Writes the file, then remembers and reports what is in it now.
    fn store(
        &self,
        state: &mut State,
        mut manifest: Manifest,
        action: &'static str,
    ) -> Result<Meta, StoreError> {
        let meta = self.meta(state, &manifest);
        manifest.id = Some(meta.id.clone());
        let written = self.write(&manifest)?;
        self.remember(state, manifest, &meta, &written);
        self.outcome(written, action, &meta.name).map(|()| meta)
    }

    fn write(&self, manifest: &Manifest) -> Result<Written, StoreError> {
        let name = &manifest.draft.name;
        let yaml =
            manifest.to_yaml().map_err(|message| StoreError::Refused { name: name.clone(), message })?;
        Ok(files::write(&self.data, &name.folder, &name.name, &yaml))
    }

    fn remember(&self, state: &mut State, manifest: Manifest, meta: &Meta, written: &Written) {
        if !matches!(written, Err(WriteError::Before(_))) {
            let Draft { content, immutable, .. } = manifest.draft;
            state.entries.insert(meta.name.clone(), Entry { meta: meta.clone(), immutable });
            // An error means that nobody watches.
            self.changes.send(WatchEvent::Applied(Object { meta: meta.clone(), content })).ok();
        }
    }

    fn forget(&self, state: &mut State, name: &ObjectName) {
        if let Some(entry) = state.entries.remove(name) {
            // An error means that nobody watches.
            self.changes.send(WatchEvent::Deleted(entry.meta)).ok();
        }
    }

    /// The meta of a new state, with a token that no state has had.
    fn meta(&self, state: &mut State, manifest: &Manifest) -> Meta {
        state.minted += 1;
        let mark = format!("{}.{}", self.session, state.minted);
        let Manifest { draft, id, created } = manifest;
        Meta {
            name: draft.name.clone(),
            id: id.clone().unwrap_or_else(|| ObjectId(mark.as_str().into())),
            token: Token(mark.as_str().into()),
            labels: draft.labels.clone(),
            owner: draft.owner.clone(),
            created: created.unwrap_or_else(|| self.clock.now()),
            deleting: false,
        }
    }

    fn outcome(&self, written: Written, action: &'static str, name: &ObjectName) -> Result<(), StoreError> {
        written.map_err(|error| match error {
            WriteError::Before(source) => StoreError::Refused {
                name: name.clone(),
                message: format!("failed to {action} {}: {source}", self.path(name).display()),
            },
            WriteError::After(source) => {
                StoreError::Unknown { action, name: name.clone(), source: Arc::new(source) }
            }
        })
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        files::path_of(&self.data, &name.folder, &name.name)
    }

    fn load(&self, entry: &Entry) -> Result<Option<Object>, StoreError> {
        let manifest = read(&self.path(&entry.meta.name), &entry.meta.name)?;
        Ok(manifest.map(|manifest| Object { meta: entry.meta.clone(), content: manifest.draft.content }))
    }
}

/// The share of a name.
fn shard(name: &ObjectName) -> usize {
    let bytes = name.name.bytes().chain(name.folder.bytes());
    bytes.fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte))) % CREATING
}

/// Whether a watch with this selector shows the event.
pub(super) fn is_shown(event: &WatchEvent, selector: &Selector) -> bool {
    match event {
        WatchEvent::Applied(Object { meta, .. }) | WatchEvent::Deleted(meta) => {
            selector.matches(&meta.name, &meta.labels)
        }
        WatchEvent::Reset(_) | WatchEvent::Current | WatchEvent::Broken => true,
    }
}

/// Reads an object's file; `None` if there is none.
fn read(path: &Path, name: &ObjectName) -> Result<Option<Manifest>, StoreError> {
    let damaged = |line: Option<u64>, message: String| {
        let place = match line {
            Some(line) => format!("{}:{line}", path.display()),
            None => path.display().to_string(),
        };
        StoreError::Damaged { place, message }
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(None, error.to_string())),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        damaged(u64::try_from(line).ok(), "not UTF-8".to_owned())
    })?;
    let manifest = Manifest::from_yaml(&text).map_err(|error| damaged(error.line, error.message))?;
    if manifest.draft.name != *name {
        let message = format!("its metadata say {}, which belongs into another file", manifest.draft.name);
        return Err(damaged(None, message));
    }
    Ok(Some(manifest))
}
