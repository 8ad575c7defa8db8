//! The file system under a directory store: durable writing and deletion, the lock, and the scan at the
//! start. Blocking; knows paths and bytes, not what is in them.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::store::directory::OpenError;

/// The file whose lock says that the folder is in use. It stays there when the process has ended.
const LOCK_FILE: &str = ".lock";
/// End of the name of an object's file.
const SUFFIX: &str = ".yaml";
/// End of the name of a file that is not yet in its place.
const TEMPORARY: &str = ".tmp";

/// How far a durable write had come when it failed.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Nothing has changed.
    Before(io::Error),
    /// The file is in its place (or gone, if it was to be deleted), but may not survive a power failure.
    After(io::Error),
}

/// Makes the folder, and keeps every other process out of it until the file returned is closed.
pub(super) fn lock(data: &Path) -> Result<File, OpenError> {
    fs::create_dir_all(data).map_err(OpenError::io("create the folder", data))?;
    let path = data.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: data.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::io("lock", &path)(source)),
    }
}

/// Every object's file, as folder, name and path, in order. What an interrupted write has left is removed.
pub(super) fn scan(data: &Path) -> Result<Vec<(String, String, PathBuf)>, OpenError> {
    let mut found = Vec::new();
    for (folder, path) in entries(data)? {
        if folder.starts_with('.') || !path.is_dir() {
            continue;
        }
        for (file, path) in entries(&path)? {
            if file.starts_with('.') && file.ends_with(TEMPORARY) {
                fs::remove_file(&path).map_err(OpenError::io("remove", &path))?;
            } else if let Some(name) = file.strip_suffix(SUFFIX).filter(|name| !name.starts_with('.')) {
                found.push((folder.clone(), name.to_owned(), path));
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, OpenError> {
    let read = || -> io::Result<Vec<_>> {
        let entries = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())));
        entries.collect()
    };
    let mut entries = read().map_err(OpenError::io("read the folder", folder))?;
    entries.sort();
    Ok(entries)
}

/// Where an object's file is.
pub(super) fn path_of(data: &Path, folder: &str, name: &str) -> PathBuf {
    data.join(folder).join(format!("{name}{SUFFIX}"))
}

/// Writes a file so that it is there whole, or as it was, whenever the machine stops.
pub(super) fn write(data: &Path, folder: &str, name: &str, text: &str) -> Result<(), WriteError> {
    let parent = data.join(folder);
    let temporary = parent.join(format!(".{name}{TEMPORARY}"));
    let prepare = || -> io::Result<()> {
        if !parent.is_dir() {
            // Another object of the folder may be created just now.
            fs::create_dir_all(&parent)?;
            sync_folder(data)?;
        }
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, path_of(data, folder, name))
    };
    if let Err(error) = prepare() {
        // Whether or not this works: the next start removes it.
        fs::remove_file(&temporary).ok();
        return Err(WriteError::Before(error));
    }
    sync_folder(&parent).map_err(WriteError::After)
}

/// Deletes a file for good.
pub(super) fn remove(data: &Path, folder: &str, name: &str) -> Result<(), WriteError> {
    match fs::remove_file(path_of(data, folder, name)) {
        Ok(()) => {}
        // Somebody has done it by hand.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(WriteError::Before(error)),
    }
    sync_folder(&data.join(folder)).map_err(WriteError::After)
}

/// A new or removed name is durable once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
