//! Bearer tokens (RFC 6750 §2.1), which are shown to nobody: neither `Debug` nor an error text holds one, and what is
//! remembered of one is its hash.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::{Error, Reason, reread::Reread};

/// The scheme in front of a token, as it is sent; a client may write it in any case (RFC 9110 §11.1).
const SCHEME: &str = "Bearer ";
/// Longest token that is looked at. A ServiceAccount's has about 1 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a client reads where this server's own token cannot be read; which file it is, is for the log.
const UNREADABLE: &str = "This server cannot read its own token";

/// A token as a request carries it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(HeaderValue);

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl BearerToken {
    /// A token as its text.
    ///
    /// # Errors
    /// `unauthenticated` (401) for what can be no token.
    pub fn new(text: &str) -> Result<Self, Error> {
        let value = HeaderValue::try_from(format!("{SCHEME}{}", text.trim())).map_err(|_| malformed())?;
        Self::from_value(&value)
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
        Self::from_value(value).map(Some)
    }

    fn from_value(value: &HeaderValue) -> Result<Self, Error> {
        let bytes = value.as_bytes();
        let (scheme, token) = bytes.split_at_checked(SCHEME.len()).ok_or_else(malformed)?;
        // The characters of `b64token` (RFC 6750 §2.1).
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
        let well_formed = scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
            && (1..=MAX_TOKEN_BYTES).contains(&token.len())
            && token.iter().all(is_token);
        if !well_formed {
            return Err(malformed());
        }
        let mut value = value.clone();
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The token itself, for whoever has to show it to an authority.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.to_str().ok().and_then(|text| text.get(SCHEME.len()..)).unwrap_or_default()
    }

    /// What may be remembered of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(&self.0.as_bytes()[SCHEME.len()..]).into())
    }

    /// The value of `Authorization`, marked as sensitive.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(redacted)")
    }
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
        // Whoever else reads it for the first time just now reads the same.
        self.known.get_or_init(|| Reread::new("token", &self.path, token.clone()));
        Ok(token)
    }

    fn read(&self) -> Result<BearerToken, Error> {
        let text = std::fs::read_to_string(&self.path)
            .map_err(|error| Error::new(Reason::Unavailable, UNREADABLE).with_source(error))?;
        BearerToken::new(&text)
    }
}
