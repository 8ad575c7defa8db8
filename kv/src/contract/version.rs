//! Versions: one sequence per incarnation of a KvNamespace (design §4, §6 invariant 4).

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::{Error, Random};

/// Minted at random when a KvNamespace's data are created or restored. With another incarnation nothing old
/// may be compared: everything held of that KvNamespace is dropped. Written as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// A new one, different from every earlier one with overwhelming probability.
    #[must_use]
    pub fn mint(random: &Random) -> Self {
        Self(random.u64())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Incarnation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        hex.then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| Error::version_malformed(text))
    }
}

/// A state of a KvNamespace, or the state that an entry was written at: `<incarnation>.<number>`. Two
/// versions of different incarnations have no order: `partial_cmp` is `None` and every `<` is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Which life of the KvNamespace's data the number belongs to.
    pub incarnation: Incarnation,
    /// Position in the sequence of records; 0 is the state before the first.
    pub number: u64,
}

impl Version {
    /// Names the state `number` of an incarnation.
    #[must_use]
    pub fn new(incarnation: Incarnation, number: u64) -> Self {
        Self { incarnation, number }
    }

    /// The entity tag of an entry written at this version, with its quotes.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{self}\"")
    }

    /// Reads an entity tag as [`Version::etag`] writes it. `None` for a weak or foreign one, which matches nothing here.
    #[must_use]
    pub fn from_etag(tag: &str) -> Option<Self> {
        tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.incarnation == other.incarnation).then(|| self.number.cmp(&other.number))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.number)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::version_malformed(text);
        let (incarnation, number) = text.split_once('.').ok_or_else(malformed)?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        Ok(Self { incarnation: incarnation.parse()?, number: number.parse().map_err(|_| malformed())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_back_as_it_was_written() {
        let version = Version::new(Incarnation(0xabc), 17);
        assert_eq!(version.to_string(), "0000000000000abc.17");
        assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
        assert_eq!(Version::from_etag(&version.etag()), Some(version));
        for bad in ["", "17", "abc.17", "0000000000000abc.", "0000000000000abc.+1", "0000000000000ABC.1"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_of_different_incarnations_have_no_order() {
        let (old, new) = (Version::new(Incarnation(1), 9), Version::new(Incarnation(2), 3));
        assert_eq!(old.partial_cmp(&new), None);
        assert_ne!(old, new);
    }
}
