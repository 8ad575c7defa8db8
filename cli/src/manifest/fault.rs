//! What is wrong with manifests, and where: every fault with its file, line, document and field, all at once.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which file, or at which path nothing could be read.
    pub file: PathBuf,
    /// In which line, from 1, where that is known.
    pub line: Option<u64>,
    /// In which document of the file, from 1, and of what kind and name it is.
    pub document: Option<(usize, String)>,
    /// The field and what is wrong with it, as the API server says it.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some((number, what)) = &self.document {
            write!(f, "document {number} ({what}): ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why manifests are not taken. Never empty; nothing of them is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}
