//! Binding tokens: one to read and write a KvNamespace's values, one to read them. A token names its KvNamespace, and
//! 256 random bits make it secret; the KvNamespace's status holds nothing but SHA-256 of it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nearkv::{
    Namespace, Random,
    access::{Access, BearerToken, TokenHash, Verb, Verdict},
};

use nearkv_controller::api::KvNamespace;

/// What a binding token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// All verbs on values.
    ReadWrite,
    /// `get` and `list`.
    ReadOnly,
}

impl Grade {
    /// The start of its tokens, by which scanners for leaked secrets find them.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ReadWrite => "nearkv_rw",
            Self::ReadOnly => "nearkv_ro",
        }
    }
}

/// What a binding token says of itself, before it is known to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingToken {
    /// The grade it claims.
    pub grade: Grade,
    /// The KvNamespace it claims to be of.
    pub namespace: Namespace,
}

impl BindingToken {
    /// `None` for a token of another kind.
    #[must_use]
    pub fn parse(token: &BearerToken) -> Option<Self> {
        let mut parts = token.expose().split('.');
        let prefix = parts.next()?;
        let grade = [Grade::ReadWrite, Grade::ReadOnly].into_iter().find(|grade| grade.prefix() == prefix)?;
        let (account, name, _secret) = (parts.next()?, parts.next()?, parts.next()?);
        let namespace = Namespace::new(account, name).ok().filter(|_| parts.next().is_none())?;
        Some(Self { grade, namespace })
    }

    /// A new token's text.
    #[must_use]
    pub fn mint(grade: Grade, namespace: &Namespace, random: &Random) -> String {
        let mut secret = [0; 32];
        for chunk in secret.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.u64().to_le_bytes());
        }
        let secret = URL_SAFE_NO_PAD.encode(secret);
        format!("{}.{}.{}.{secret}", grade.prefix(), namespace.account(), namespace.name())
    }

    /// What it permits, if it is good.
    #[must_use]
    pub fn verdict(&self, access: &Access) -> Verdict {
        let permitted = match access {
            Access::Authenticated => true,
            Access::Values { namespace, verb } => {
                let reads = matches!(verb, Verb::Get | Verb::List);
                *namespace == self.namespace && (reads || self.grade == Grade::ReadWrite)
            }
            Access::Namespaces { .. } | Access::Accounts => false,
        };
        if permitted { Verdict::Allowed } else { Verdict::Forbidden }
    }
}

/// The hashes of a KvNamespace's tokens, as its status has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes {
    read_write: String,
    read_only: String,
}

impl Hashes {
    /// Of an object; `None` where it has no binding.
    #[must_use]
    pub fn of(object: &KvNamespace) -> Option<Self> {
        let binding = object.status.as_ref()?.binding.as_ref()?;
        Some(Self { read_write: binding.token_hash.clone(), read_only: binding.read_only_token_hash.clone() })
    }

    /// Whether the hash is that of the grade's token.
    #[must_use]
    pub fn hold(&self, grade: Grade, hash: TokenHash) -> bool {
        let kept = match grade {
            Grade::ReadWrite => &self.read_write,
            Grade::ReadOnly => &self.read_only,
        };
        *kept == hex(hash)
    }
}

/// A hash as the status has it.
#[must_use]
pub fn hex(TokenHash(hash): TokenHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(grade: Grade, namespace: &str) -> BearerToken {
        let text = BindingToken::mint(grade, &namespace.parse().unwrap(), &Random::seeded(3));
        BearerToken::new(&text).unwrap()
    }

    #[test]
    fn a_token_says_of_which_kvnamespace_it_is() {
        for grade in [Grade::ReadWrite, Grade::ReadOnly] {
            let parsed = BindingToken::parse(&token(grade, "team-a/settings")).unwrap();
            assert_eq!((parsed.grade, parsed.namespace.as_str()), (grade, "team-a/settings"));
        }
        for other in ["nearkv_rw", "nearkv_rw.a.b", "nearkv_rw.a.b.c.d", "nearkv_rw.A.b.c", "eyJh.eyJ.c2ln"] {
            assert_eq!(BindingToken::parse(&BearerToken::new(other).unwrap()), None, "{other}");
        }
    }

    #[test]
    fn a_token_permits_the_values_of_its_own_kvnamespace_and_manages_nothing() {
        let own: Namespace = "team-a/settings".parse().unwrap();
        for grade in [Grade::ReadWrite, Grade::ReadOnly] {
            let token = BindingToken { grade, namespace: own.clone() };
            for verb in Verb::ALL {
                let writes = !matches!(verb, Verb::Get | Verb::List);
                let expected = grade == Grade::ReadWrite || !writes;
                let verdict = token.verdict(&Access::values(&own, verb));
                assert_eq!(verdict == Verdict::Allowed, expected, "{grade:?} {verb:?}");
                for other in ["team-b/settings", "team-a/other"] {
                    let access = Access::values(&other.parse().unwrap(), verb);
                    assert_eq!(token.verdict(&access), Verdict::Forbidden, "{other}");
                }
                assert_eq!(token.verdict(&Access::namespace(&own, verb)), Verdict::Forbidden);
                assert_eq!(token.verdict(&Access::account("team-a", verb)), Verdict::Forbidden);
            }
            assert_eq!(token.verdict(&Access::Accounts), Verdict::Forbidden);
        }
    }

    #[test]
    fn only_the_hash_of_the_same_grade_holds() {
        let [written, read] =
            [Grade::ReadWrite, Grade::ReadOnly].map(|grade| token(grade, "team-a/settings"));
        let hashes = Hashes { read_write: hex(written.hash()), read_only: hex(read.hash()) };
        assert!(hashes.hold(Grade::ReadWrite, written.hash()) && hashes.hold(Grade::ReadOnly, read.hash()));
        assert!(!hashes.hold(Grade::ReadWrite, read.hash()) && !hashes.hold(Grade::ReadOnly, written.hash()));
    }
}
