//! Whether what is stored is what the file says, and which lines are past their time. Pure but for the passing of time.

use std::time::Duration;

use nearkv::limits::MIN_EXPIRATION_TTL;
use nearkv::{Expiration, ExpirationRequest, UnixMillis};
use tokio::time::Instant;

use crate::entries::Stored;
use crate::pair::Pair;

/// How long a batch may take until the origin judges its expirations.
const ON_THE_WAY: Duration = Duration::from_secs(30);

/// The origin's clock, carried forward: this machine's may be wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct OriginClock {
    shown: UnixMillis,
    at: Instant,
}

impl OriginClock {
    /// It shows `shown` at the moment of the call.
    pub(super) fn showing(shown: UnixMillis) -> Self {
        Self { shown, at: Instant::now() }
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.shown.plus(self.at.elapsed())
    }
}

/// Whether the entry has ended, or ends so soon that the origin may refuse it.
pub(super) fn has_ended(pair: &Pair, now: UnixMillis) -> bool {
    match pair.expiration {
        Some(ExpirationRequest::At(at)) => {
            let end = Expiration(u64::try_from(at).unwrap_or(0));
            end.remaining(now) < MIN_EXPIRATION_TTL + ON_THE_WAY
        }
        Some(ExpirationRequest::Ttl(_)) | None => false,
    }
}

/// Whether the entry is what the line says. A time to live ends at a second that only the origin knows.
pub(super) fn is_same(pair: &Pair, stored: &Stored) -> bool {
    let same_end = match pair.expiration {
        Some(ExpirationRequest::At(at)) => stored.expiration.map(|end| end.0) == u64::try_from(at).ok(),
        Some(ExpirationRequest::Ttl(_)) => stored.expiration.is_some(),
        None => stored.expiration.is_none(),
    };
    same_end && pair.value == stored.value && pair.metadata == stored.metadata
}

#[cfg(test)]
mod tests {
    use nearkv::{Key, Metadata};

    use super::*;

    fn stored() -> Stored {
        Stored {
            value: "v".into(),
            expiration: Some(Expiration(1000)),
            metadata: Metadata::parse(r#"{"a":1}"#).unwrap(),
        }
    }

    fn pair() -> Pair {
        let Stored { value, expiration, metadata } = stored();
        Pair::of(Key::new("k").unwrap(), value, expiration, metadata)
    }

    #[test]
    fn any_difference_is_a_difference() {
        assert!(is_same(&pair(), &stored()));
        for other in [
            Stored { value: "w".into(), ..stored() },
            Stored { expiration: Some(Expiration(1001)), ..stored() },
            Stored { expiration: None, ..stored() },
            Stored { metadata: None, ..stored() },
        ] {
            assert!(!is_same(&pair(), &other), "{other:?}");
        }
        let ttl = Pair { expiration: Some(ExpirationRequest::Ttl(60)), ..pair() };
        assert!(is_same(&ttl, &stored()) && !is_same(&ttl, &Stored { expiration: None, ..stored() }));
    }

    #[test]
    fn what_ends_soon_is_left_out() {
        let at = |seconds: u64| has_ended(&pair(), UnixMillis(seconds * 1000));
        assert!(!at(900) && !at(910));
        assert!(at(911) && at(1000) && at(2000));
        assert!(!has_ended(&Pair { expiration: None, ..pair() }, UnixMillis(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_origins_clock_goes_on() {
        let clock = OriginClock::showing(UnixMillis(5));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), UnixMillis(1005));
    }
}
