//! A lock between the processes of a test run, which cargo and people may start at the same time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use crate::error::{AssetError, Result};

/// Waits for the lock `file`, and tells `report` when somebody else holds it.
/// It is released when the returned file is dropped, or by the kernel when the process ends.
pub(crate) fn lock(file: &Path, waiting_for: &str, report: fn(&str)) -> Result<File> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(file)
        .map_err(AssetError::io("open the lock", file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            report(&format!("waiting for another process: {waiting_for}"));
            lock.lock().map_err(AssetError::io("lock", file))?;
            Ok(lock)
        }
        Err(TryLockError::Error(source)) => Err(AssetError::io("lock", file)(source)),
    }
}

/// Writes a line to the real standard error, past the test runner, which keeps what tests print
/// until they fail: a build of minutes has to be seen while it runs.
pub fn say(line: &str) {
    // Nobody reads it: nothing to do about that.
    let _ = std::io::stderr().write_all(format!("nearkv-tests: {line}\n").as_bytes());
}
