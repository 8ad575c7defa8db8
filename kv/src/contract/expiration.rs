//! When an entry ends. Requests carry a time or a time to live as the client wrote it; only the origin
//! turns that into an [`Expiration`], by its clock and the KvNamespace's minimum.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Error, UnixMillis};

/// The second since the Unix epoch at which an entry ceases to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expiration(pub u64);

impl Expiration {
    /// Whether the entry has ended: at `expiration <= now` (contract §2.3).
    #[must_use]
    pub fn has_passed(self, now: UnixMillis) -> bool {
        self.remaining(now).is_zero()
    }

    /// How long the entry has left; zero once it has ended.
    #[must_use]
    pub fn remaining(self, now: UnixMillis) -> Duration {
        UnixMillis(self.0.saturating_mul(1000)).since(now)
    }
}

impl fmt::Display for Expiration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a write asks for. If a client sends both, the time to live wins (contract §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpirationRequest {
    /// `expiration`: seconds since the epoch.
    At(i64),
    /// `expiration_ttl`: seconds from now.
    Ttl(i64),
}

impl ExpirationRequest {
    /// What two numbers ask for.
    #[must_use]
    pub fn of(expiration: Option<i64>, ttl: Option<i64>) -> Option<Self> {
        ttl.map(Self::Ttl).or(expiration.map(Self::At))
    }

    /// Reads the two query parameters as they came.
    ///
    /// # Errors
    /// `expiration-ttl-invalid` or `expiration-invalid` (400) for what is not an integer.
    pub fn parse(expiration: Option<&str>, ttl: Option<&str>) -> Result<Option<Self>, Error> {
        match (expiration, ttl) {
            (_, Some(ttl)) => {
                ttl.parse().map(Self::Ttl).map(Some).map_err(|_| Error::expiration_ttl_not_positive(ttl))
            }
            (Some(at), None) => {
                at.parse().map(Self::At).map(Some).map_err(|_| Error::expiration_not_future(at))
            }
            (None, None) => Ok(None),
        }
    }

    /// The moment the entry ends, judged at `now` with the KvNamespace's minimum time to live.
    ///
    /// # Errors
    /// The four expiration texts of contract §2.2 (400).
    pub fn resolve(self, now: UnixMillis, minimum: Duration) -> Result<Expiration, Error> {
        let minimum = minimum.as_secs();
        match self {
            Self::Ttl(ttl) => match u64::try_from(ttl) {
                Err(_) | Ok(0) => Err(Error::expiration_ttl_not_positive(&ttl.to_string())),
                Ok(ttl) if ttl < minimum => Err(Error::expiration_ttl_too_low(ttl, minimum)),
                Ok(ttl) => Ok(Expiration(now.seconds().saturating_add(ttl))),
            },
            Self::At(at) => match u64::try_from(at) {
                Ok(at) if at > now.seconds() => {
                    if at < now.seconds().saturating_add(minimum) {
                        return Err(Error::expiration_too_near(at, minimum));
                    }
                    Ok(Expiration(at))
                }
                _ => Err(Error::expiration_not_future(&at.to_string())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIN_EXPIRATION_TTL;

    const NOW: UnixMillis = UnixMillis(1_000_000_500);

    fn text(request: ExpirationRequest) -> String {
        request.resolve(NOW, MIN_EXPIRATION_TTL).unwrap_err().to_string()
    }

    #[test]
    fn expirations_are_refused_in_the_contracts_words() {
        let ttl = "Invalid expiration_ttl of";
        assert_eq!(
            text(ExpirationRequest::Ttl(0)),
            format!("{ttl} 0. Please specify integer greater than 0.")
        );
        assert_eq!(
            text(ExpirationRequest::Ttl(59)),
            format!("{ttl} 59. Expiration TTL must be at least 60.")
        );
        assert_eq!(
            text(ExpirationRequest::At(1_000_000)),
            "Invalid expiration of 1000000. Please specify integer greater than the current number of seconds since the UNIX epoch."
        );
        assert_eq!(
            text(ExpirationRequest::At(1_000_059)),
            "Invalid expiration of 1000059. Expiration times must be at least 60 seconds in the future."
        );
        assert_eq!(
            ExpirationRequest::parse(Some("x"), Some("1.5")).unwrap_err().to_string(),
            format!("{ttl} 1.5. Please specify integer greater than 0.")
        );
    }

    #[test]
    fn the_time_to_live_wins_and_an_entry_ends_at_its_second() {
        let request = ExpirationRequest::parse(Some("5"), Some("60")).unwrap().unwrap();
        let expiration = request.resolve(NOW, MIN_EXPIRATION_TTL).unwrap();
        assert_eq!(expiration, Expiration(1_000_060));
        assert!(!expiration.has_passed(UnixMillis(1_000_059_999)));
        assert!(expiration.has_passed(UnixMillis(1_000_060_000)));
    }
}
