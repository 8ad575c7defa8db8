//! The name of a KvNamespace as every face, cache and token uses it: `account/name`.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};

use crate::Error;

/// Longest account (a Kubernetes namespace): RFC 1123 label.
const MAX_ACCOUNT_BYTES: usize = 63;
/// Longest name: a DNS label, shortened so that derived object names fit (design §3).
const MAX_NAME_BYTES: usize = 52;

/// A KvNamespace's name `settings` in the account (Kubernetes namespace) `team-a`: `team-a/settings`. Both
/// parts are DNS labels. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    full: Arc<str>,
    slash: u8,
}

impl Namespace {
    /// # Errors
    /// `namespace-malformed` (400) unless both parts are DNS labels of at most 63 and 52 characters.
    pub fn new(account: &str, name: &str) -> Result<Self, Error> {
        format!("{account}/{name}").parse()
    }

    /// The account: the Kubernetes namespace the KvNamespace lives in.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.full[..usize::from(self.slash)]
    }

    /// The KvNamespace's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.full[usize::from(self.slash) + 1..]
    }

    /// `account/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The id that REST and `wrangler.toml` use: the same in every cluster (design §3).
    #[must_use]
    pub fn id(&self) -> NamespaceId {
        let digest = Sha256::digest(self.full.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        NamespaceId(id)
    }
}

fn is_label(text: &str, longest: usize) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl FromStr for Namespace {
    type Err = Error;

    /// Parses `account/name`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::namespace_malformed(text);
        let (account, name) = text.split_once('/').ok_or_else(malformed)?;
        if !is_label(account, MAX_ACCOUNT_BYTES) || !is_label(name, MAX_NAME_BYTES) {
            return Err(malformed());
        }
        Ok(Self { full: text.into(), slash: account.len() as u8 })
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// The namespace id of the REST face: 32 hex digits, the first 16 bytes of SHA-256(`account/name`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId([u8; 16]);

impl FromStr for NamespaceId {
    type Err = Error;

    /// Reads 32 hex digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or_else(|| Error::namespace_id_malformed(text))
    }
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_first_16_bytes_of_the_names_sha256() {
        let namespace: Namespace = "team-a/settings".parse().unwrap();
        assert_eq!((namespace.account(), namespace.name()), ("team-a", "settings"));
        // printf team-a/settings | sha256sum | cut -c1-32
        assert_eq!(namespace.id().to_string(), "a2500f8f0bed551d42a135f1cd26cc51");
    }

    #[test]
    fn a_name_that_is_no_dns_label_is_refused() {
        for bad in
            ["", "a", "a/", "/b", "a/b/c", "A/b", "a/b_c", "a/-b", "a/b-", &format!("a/{}", "n".repeat(53))]
        {
            assert_eq!(
                bad.parse::<Namespace>().unwrap_err().reason().as_str(),
                "namespace-malformed",
                "{bad}"
            );
        }
    }
}
