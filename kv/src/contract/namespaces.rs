//! [`Namespaces`]: the management of KvNamespaces, as the REST face offers it (contract §3.1, design §4).

use std::{fmt::Write, sync::Arc};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::{Error, Namespace, NamespaceId, limits::MAX_TITLE_CHARS};

/// Longest slug in a name: with a dash and the digits of the hash it stays within the 52 characters of a name.
const MAX_SLUG_BYTES: usize = 40;
/// Bytes of the title's hash in a name, two digits each.
const HASH_BYTES: usize = 5;

/// A KvNamespace as REST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// `account/name`; REST's id follows from it.
    pub namespace: Namespace,
    /// The title, unique in the account; the name where the KvNamespace has none.
    pub title: String,
}

/// Lists, creates, renames and deletes KvNamespaces: implemented by the operator on the cluster's objects, by
/// development mode on manifests in its state directory, and by the HTTP client over the REST face of either.
///
/// Every method answers `account-missing` (404) for an account that there cannot be, and `unavailable` (503) while
/// the authority cannot be asked.
#[async_trait]
pub trait Namespaces: Send + Sync + 'static {
    /// The accounts (Kubernetes namespaces) that hold KvNamespaces, in ascending order.
    async fn accounts(&self) -> Result<Vec<String>, Error>;

    /// All KvNamespaces of an account, in ascending order of their names.
    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error>;

    /// The KvNamespace with this id; `None` where the account has none with it, after a live look.
    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error>;

    /// Creates a KvNamespace. Once the answer is there, it can be read and written.
    ///
    /// # Errors
    /// `title-taken` (400) if the account has one with this title, `title-invalid` (400) for an empty or too long
    /// one, `store-refused` (503) where the cluster refuses the object.
    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error>;

    /// Gives a KvNamespace another title. Its name and id stay.
    ///
    /// # Errors
    /// As for [`Namespaces::create`]; `namespace-unknown` (404) if there is none with the id, `namespace-declared`
    /// (409) if it belongs to a manifest that development mode follows.
    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error>;

    /// Deletes a KvNamespace with its data, unless its `deletionPolicy` retains them.
    ///
    /// # Errors
    /// `namespace-unknown` (404), `namespace-declared` (409).
    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error>;
}

/// Whether a title may be given: 1 to 512 characters (contract §3.1).
///
/// # Errors
/// `title-invalid` (400).
pub fn check_title(title: &str) -> Result<(), Error> {
    let length = title.chars().count();
    if (1..=MAX_TITLE_CHARS).contains(&length) { Ok(()) } else { Err(Error::title_invalid(length)) }
}

/// The name of the KvNamespace that REST creates for a title: what of it fits into a DNS label, and a hash of all of
/// it, so that titles that look alike do not meet (design §3). `salt` is 0, or counts the names that are taken.
///
/// # Errors
/// As for [`check_title`] and [`Namespace::new`].
pub fn namespace_for_title(account: &str, title: &str, salt: u32) -> Result<Namespace, Error> {
    check_title(title)?;
    let mut slug = String::new();
    for c in title.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == MAX_SLUG_BYTES {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    let mut digest = Sha256::new_with_prefix(title.as_bytes());
    if salt > 0 {
        digest.update(salt.to_be_bytes());
    }
    let mut name = if slug.is_empty() { "ns-".to_owned() } else { format!("{slug}-") };
    for byte in &digest.finalize()[..HASH_BYTES] {
        // Writing to a String cannot fail.
        let _infallible = write!(name, "{byte:02x}");
    }
    Namespace::new(account, &name)
}

#[async_trait]
impl<N: Namespaces + ?Sized> Namespaces for Arc<N> {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        (**self).accounts().await
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        (**self).list(account).await
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        (**self).find(account, id).await
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        (**self).create(account, title).await
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        (**self).rename(account, id, title).await
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        (**self).delete(account, id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_titles_letters_and_its_hash() {
        let name = |title: &str| namespace_for_title("team-a", title, 0).unwrap().name().to_owned();
        assert_eq!(name("My Worker: KV!"), format!("my-worker-kv-{}", &name("My Worker: KV!")[13..]));
        assert_ne!(name("settings"), name("SETTINGS"), "titles that look alike have different names");
        assert_eq!(name("é"), name("é"));
        assert!(name("ééé").starts_with("ns-"));
        assert!(name("--a--").starts_with("a-"));
        for title in ["x".repeat(512), format!("{}-y", "x".repeat(39)), "日本".to_owned(), "0".to_owned()] {
            assert!(name(&title).len() <= 52, "{title}");
        }
        let salted = namespace_for_title("team-a", "settings", 1).unwrap();
        assert_ne!(salted.name(), name("settings"));
    }

    #[test]
    fn a_title_has_1_to_512_characters() {
        for bad in [String::new(), "é".repeat(513)] {
            assert_eq!(check_title(&bad).unwrap_err().reason().as_str(), "title-invalid");
        }
        check_title(&"é".repeat(512)).unwrap();
    }
}
