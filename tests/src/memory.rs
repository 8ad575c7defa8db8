//! How much memory a process takes, as the kernel counts it (`/proc/ID/status`): what it has at rest, and the most
//! it had since then.

use std::path::{Path, PathBuf};

use crate::error::{HarnessError, Result};
use crate::process::Process;

/// Written to `/proc/ID/clear_refs`, it makes the peak (`VmHWM`) start anew from what is resident now (proc(5)).
const FORGET_THE_PEAK: &str = "5";

/// The growth of one process from a moment on.
#[derive(Debug)]
pub struct Growth {
    folder: PathBuf,
    before: u64,
}

impl Growth {
    /// From now on.
    ///
    /// # Errors
    /// When the process is gone, or the kernel has no such files.
    pub fn of(process: &Process) -> Result<Growth> {
        let folder = PathBuf::from(format!("/proc/{}", process.id()));
        let peak = folder.join("clear_refs");
        std::fs::write(&peak, FORGET_THE_PEAK).map_err(HarnessError::io("write", &peak))?;
        let mut growth = Growth { folder, before: 0 };
        growth.before = growth.bytes("VmRSS:")?;
        Ok(growth)
    }

    /// What was resident at the start, in bytes.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// By how many bytes the peak since then is above the start.
    ///
    /// # Errors
    /// As for [`Growth::of`].
    pub fn peak(&self) -> Result<u64> {
        Ok(self.bytes("VmHWM:")?.saturating_sub(self.before))
    }

    /// How many bytes more are resident now than at the start.
    ///
    /// # Errors
    /// As for [`Growth::of`].
    pub fn now(&self) -> Result<u64> {
        Ok(self.bytes("VmRSS:")?.saturating_sub(self.before))
    }

    fn bytes(&self, field: &str) -> Result<u64> {
        bytes(&self.folder, field)
    }
}

/// What a process has in memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// At most, since it was started.
    pub peak: u64,
}

impl Resident {
    /// Of this process.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(process: &Process) -> Result<Resident> {
        let folder = PathBuf::from(format!("/proc/{}", process.id()));
        Ok(Resident { now: bytes(&folder, "VmRSS:")?, peak: bytes(&folder, "VmHWM:")? })
    }
}

fn bytes(folder: &Path, field: &str) -> Result<u64> {
    let status = folder.join("status");
    let text = std::fs::read_to_string(&status).map_err(HarnessError::io("read", &status))?;
    let kib = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok());
    kib.map(|kib: u64| kib * 1024)
        .ok_or_else(|| HarnessError::Unexpected(format!("{} has no {field}", status.display())))
}

/// Bytes as a person reads them.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}
