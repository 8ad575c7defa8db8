//! What was read from a file that is replaced from time to time, as Kubernetes does it with the content of Secrets and
//! with projected tokens. Nothing runs for that: whoever finds it looked at too long ago looks again.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long it is used before the file is looked at again. Kubernetes replaces a projected token when a fifth of its
/// lifetime, at least two minutes, is left; cert-manager replaces a certificate weeks before its end.
const FRESH_FOR: Duration = Duration::from_secs(10);

/// The last of a file that could be used.
#[derive(Debug)]
pub(crate) struct Reread<T> {
    /// What it is, for the log.
    what: &'static str,
    path: PathBuf,
    /// With the moment of the last look.
    present: Mutex<(T, Instant)>,
}

impl<T: Clone> Reread<T> {
    /// What has just been read from the file at `path`.
    pub(crate) fn new(what: &'static str, path: &Path, read: T) -> Self {
        Self { what, path: path.to_owned(), present: Mutex::new((read, Instant::now())) }
    }

    /// What is there, at most ten seconds old. `read` looks again, and is given the last; where it fails, the last goes
    /// on being used.
    pub(crate) fn get<E: Display>(&self, read: impl FnOnce(&T) -> Result<T, E>) -> T {
        let now = Instant::now();
        let mut present = self.present.lock();
        if now >= present.1 + FRESH_FOR {
            present.1 = now;
            match read(&present.0) {
                Ok(read) => present.0 = read,
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "kept the last {}", self.what);
                }
            }
        }
        present.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_read_again_after_a_while_and_the_last_good_one_stays() {
        let known = Reread::new("number", Path::new("number"), 1);
        let get = |read: Result<i32, &'static str>| known.get(|_| read);
        assert_eq!(get(Ok(2)), 1, "it is fresh");
        advance(FRESH_FOR).await;
        assert_eq!(get(Err("gone")), 1);
        assert_eq!(get(Ok(2)), 1, "it has just been looked at");
        advance(FRESH_FOR).await;
        assert_eq!(get(Ok(2)), 2);
    }
}
