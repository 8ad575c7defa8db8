//! How far an import has come, in a file beside the one that is imported. It is there as long as the import is not done.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use nearkv::Namespace;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::sink::Sink;

/// What is imported and compared for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Which life of the KvNamespace's data it was imported into: what was written into another is not there.
    pub(super) incarnation: String,
    /// So many bytes of the file.
    pub(super) bytes: u64,
    /// Their SHA-256, in hex: another file with the name is recognised.
    pub(super) sha256: String,
}

/// The file: `FILE.import-ACCOUNT-NAME`.
#[derive(Debug)]
pub(super) struct Checkpoint(PathBuf);

impl Checkpoint {
    pub(super) fn beside(file: &Path, namespace: &Namespace) -> Self {
        let mut name = OsString::from(file);
        name.push(format!(".import-{}-{}", namespace.account(), namespace.name()));
        Self(name.into())
    }

    /// What was saved; `None` where no import has begun.
    pub(super) fn load(&self) -> Result<Option<Saved>, Failure> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("read", &self.0, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Failure::new(Exit::Failure, format!("{} is no note of an import: {error}", self.0.display()))
                .with_advice("remove it to import all lines")
        })
    }

    /// Replaces what was saved.
    pub(super) fn save(&self, saved: &Saved) -> Result<(), Failure> {
        let text = serde_json::to_vec(saved);
        let text = text.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
        let mut sink = Sink::open(Some(&self.0))?;
        sink.write(&text)?;
        sink.finish()
    }

    /// The import is done.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::file("remove", &self.0, &error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_found_until_the_import_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let namespace = Namespace::new("team-a", "settings").unwrap();
        let checkpoint = Checkpoint::beside(&folder.path().join("x.jsonl"), &namespace);
        assert_eq!(checkpoint.0, folder.path().join("x.jsonl.import-team-a-settings"));
        assert_eq!(checkpoint.load().unwrap(), None);
        let saved = Saved { incarnation: "ab".to_owned(), bytes: 7, sha256: "cd".to_owned() };
        checkpoint.save(&saved).unwrap();
        assert_eq!(checkpoint.load().unwrap(), Some(saved));
        checkpoint.remove().unwrap();
        checkpoint.remove().unwrap();
        assert_eq!(checkpoint.load().unwrap(), None);

        std::fs::write(&checkpoint.0, "{").unwrap();
        assert!(checkpoint.load().unwrap_err().to_string().contains("remove it"));
    }
}
