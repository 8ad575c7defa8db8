//! Where bytes go: standard output, or a file that is replaced only when everything is there.

use std::fs::Permissions;
use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::Exit;
use crate::failure::Failure;

/// Permissions of a new file before the umask, as for every program that writes a file.
const NEW_FILE: u32 = 0o666;

/// An open destination. Dropped before [`Sink::finish`], a file that was there before is still there.
#[derive(Debug)]
pub struct Sink(Kind);

#[derive(Debug)]
enum Kind {
    Stdout(BufWriter<Stdout>),
    /// A file that takes the place of another at the end.
    File {
        to: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
    /// A pipe or a device, which cannot be replaced.
    Device {
        to: BufWriter<std::fs::File>,
        path: PathBuf,
    },
}

impl Sink {
    /// Opens a file; without one, or with `-`, standard output.
    ///
    /// # Errors
    /// Where the file's folder is not there or cannot be written.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self(Kind::Stdout(BufWriter::new(stdout()))));
        };
        Self::open_file(path).map(Self).map_err(|error| Failure::file("write", path, &error))
    }

    fn open_file(path: &Path) -> io::Result<Kind> {
        // Through a link, the file it names is the one to replace.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match path.metadata() {
            Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => {
                let device = std::fs::OpenOptions::new().write(true).open(&path)?;
                return Ok(Kind::Device { to: BufWriter::new(device), path });
            }
            _ => {}
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".kubectl-kv-")
            .permissions(Permissions::from_mode(NEW_FILE))
            .tempfile_in(folder)?;
        Ok(Kind::File { to: BufWriter::new(file), path })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Where the disk is full, or the reader of a pipe has gone.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.0 {
            Kind::Stdout(to) => return to.write_all(bytes).map_err(|error| Failure::output(&error)),
            Kind::File { to, path } => to.write_all(bytes).map_err(|error| (error, path)),
            Kind::Device { to, path } => to.write_all(bytes).map_err(|error| (error, path)),
        };
        written.map_err(|(error, path)| Failure::file("write", path, &error))
    }

    /// Everything is there: the file takes its place.
    ///
    /// # Errors
    /// As for [`Sink::write`].
    pub fn finish(self) -> Result<(), Failure> {
        match self.0 {
            Kind::Stdout(mut to) => to.flush().map_err(|error| Failure::output(&error)),
            Kind::Device { mut to, path } => {
                to.flush().map_err(|error| Failure::file("write", &path, &error))
            }
            Kind::File { to, path } => {
                let file = to.into_inner().map_err(|error| Failure::file("write", &path, error.error()))?;
                file.as_file().sync_all().map_err(|error| Failure::file("write", &path, &error))?;
                file.persist(&path).map(drop).map_err(|error| {
                    Failure::new(
                        Exit::Failure,
                        format!("failed to replace {}: {}", path.display(), error.error),
                    )
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_when_everything_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        std::fs::write(&path, "old").unwrap();

        let mut broken = Sink::open(Some(&path)).unwrap();
        broken.write(b"half").unwrap();
        drop(broken);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left over");

        let mut whole = Sink::open(Some(&path)).unwrap();
        whole.write(b"new").unwrap();
        whole.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_device_is_written_to_and_a_missing_folder_told() {
        let mut device = Sink::open(Some(Path::new("/dev/null"))).unwrap();
        device.write(b"x").unwrap();
        device.finish().unwrap();
        let missing = Sink::open(Some(Path::new("/nowhere/at/all"))).unwrap_err();
        assert!(missing.message.starts_with("failed to write /nowhere/at/all: "), "{missing}");
    }
}
