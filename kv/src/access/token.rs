//! Bearer tokens (RFC 6750 §2.1). Neither `Debug` nor an error text contains one, and beyond its connection only its hash
//! is kept.

use std::{
    fmt,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use super::connection;
use crate::{Error, Reason, reread::Reread};

/// The scheme in front of a token, as it is sent; a client may write it in any case (RFC 9110 §11.1).
const SCHEME: &str = "Bearer ";
/// Longest token that is looked at. A ServiceAccount's has about 1 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a client reads where this server's own token cannot be read; which file it is, is for the log.
const UNREADABLE: &str = "This server cannot read its own token";

/// A token as a request carries it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(Arc<Read>);

/// What was read of a token.
#[derive(PartialEq, Eq)]
struct Read {
    /// The value of `Authorization`, with the scheme.
    header: HeaderValue,
    hash: TokenHash,
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl Hash for TokenHash {
    /// By a quarter of it, which is as good as all for a map: it is evenly distributed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0[..8].hash(state);
    }
}

impl BearerToken {
    /// A token as its text.
    ///
    /// # Errors
    /// `unauthenticated` (401) for what can be no token.
    pub fn new(text: &str) -> Result<Self, Error> {
        let value = HeaderValue::try_from(format!("{SCHEME}{}", text.trim())).map_err(|_| malformed())?;
        Self::read(&value)
    }

    /// The token of a request; `None` where it has none.
    ///
    /// # Errors
    /// `unauthenticated` (401) for a repeated header, another scheme, and what can be no token.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = given.next() else { return Ok(None) };
        if given.next().is_some() {
            return Err(malformed());
        }
        connection::token(value).map(Some)
    }

    /// Checks and hashes what `Authorization` shows. The header is copied: it is a part of a buffer that is many times
    /// as large, and lives for as long as its parts.
    pub(super) fn read(shown: &HeaderValue) -> Result<Self, Error> {
        let (scheme, token) = shown.as_bytes().split_at_checked(SCHEME.len()).ok_or_else(malformed)?;
        let well_formed = scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
            && (1..=MAX_TOKEN_BYTES).contains(&token.len())
            && is_b64token(token);
        if !well_formed {
            return Err(malformed());
        }
        let mut header = HeaderValue::from_bytes(shown.as_bytes()).map_err(|_| malformed())?;
        header.set_sensitive(true);
        Ok(Self(Arc::new(Read { header, hash: TokenHash(Sha256::digest(token).into()) })))
    }

    /// Whether `Authorization` shows this token in this spelling. It takes as long wherever they differ: a proxy may
    /// carry the requests of several clients on one connection, and none shall guess at another's token.
    pub(super) fn is_shown_by(&self, shown: &HeaderValue) -> bool {
        let (own, shown) = (self.0.header.as_bytes(), shown.as_bytes());
        own.len() == shown.len() && own.iter().zip(shown).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    /// The token itself, to be sent to an authority.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.header.to_str().ok().and_then(|text| text.get(SCHEME.len()..)).unwrap_or_default()
    }

    /// Its hash, the only part that may be kept.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        self.0.hash
    }

    /// The value of `Authorization`, marked as sensitive.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.header.clone()
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(redacted)")
    }
}

/// The characters of `b64token` (RFC 6750 §2.1). All are looked at, without a branch, which is three times as fast as
/// to stop at the first that is none: a token has a thousand.
fn is_b64token(token: &[u8]) -> bool {
    let is_character =
        |b: u8| b.is_ascii_alphanumeric() | matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    token.iter().fold(true, |all, b| all & is_character(*b))
}

fn malformed() -> Error {
    Error::new(
        Reason::Unauthenticated,
        "Unable to authenticate request: please send one header Authorization: Bearer, with a token",
    )
}

/// A token in a file that is replaced from time to time, as the kubelet does it with projected ones.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    known: OnceLock<Reread<BearerToken>>,
}

impl TokenFile {
    /// The file at this path, which is read when a token is asked for.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), known: OnceLock::new() }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token, at most ten seconds old. The file is small and, in a pod, in memory: it is read in place.
    ///
    /// # Errors
    /// `unavailable` (503) if it cannot be read and never could be; the last token goes on being used otherwise.
    pub fn token(&self) -> Result<BearerToken, Error> {
        if let Some(known) = self.known.get() {
            return Ok(known.get(|_| self.read()));
        }
        let token = self.read().map_err(|error| {
            tracing::warn!(path = %self.path.display(), %error, "failed to read the own token");
            Error::new(Reason::Unavailable, UNREADABLE)
        })?;
        // Another thread that reads it for the first time at the same moment reads the same.
        self.known.get_or_init(|| Reread::new("token", &self.path, token.clone()));
        Ok(token)
    }

    fn read(&self) -> Result<BearerToken, Error> {
        let text = std::fs::read_to_string(&self.path)
            .map_err(|error| Error::new(Reason::Unavailable, UNREADABLE).with_source(error))?;
        BearerToken::new(&text)
    }
}
