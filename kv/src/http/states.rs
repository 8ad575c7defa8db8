//! A [`State`] as headers, written by the server and read back by the client: `Nearkv-Version`, `Nearkv-Time`,
//! `Age`, `Nearkv-Age`, `Cache-Control`, and `Cache-Status` (RFC 9211) or `CF-Cache-Status` for how it was served.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, header};

use super::names;
use crate::{CacheStatus, Freshness, Served, State, UnixMillis};

/// Header values that share one allocation.
#[derive(Debug)]
pub struct Values(BytesMut);

/// Room for all numbers of one answer; more than that costs a second allocation.
const VALUES_BYTES: usize = 384;

impl Default for Values {
    fn default() -> Self {
        Self(BytesMut::with_capacity(VALUES_BYTES))
    }
}

impl Values {
    /// The value with this text, which must be fit for a header: otherwise the value is empty.
    pub fn format(&mut self, text: fmt::Arguments<'_>) -> HeaderValue {
        let written = self.0.write_fmt(text);
        let bytes = self.0.split().freeze();
        match (written, HeaderValue::from_maybe_shared(bytes)) {
            (Ok(()), Ok(value)) => value,
            _ => HeaderValue::from_static(""),
        }
    }
}

/// Adds everything of a state but how it was served.
pub fn write_state(headers: &mut HeaderMap, values: &mut Values, state: &State) {
    let State { version, age, time, freshness: Freshness { max_age, stale_if_error }, served: _ } = state;
    headers.insert(&names::NEARKV_VERSION, values.format(format_args!("{version}")));
    headers.insert(&names::NEARKV_TIME, values.format(format_args!("{time}")));
    headers.insert(&names::NEARKV_AGE, values.format(format_args!("{}", age.as_millis())));
    headers.insert(header::AGE, values.format(format_args!("{}", age.as_secs())));
    let control =
        format_args!("private, max-age={}, stale-if-error={}", max_age.as_secs(), stale_if_error.as_secs());
    headers.insert(header::CACHE_CONTROL, values.format(control));
}

/// `Cache-Status` of the cache with this name. `ttl` is what is left of the freshness lifetime, in seconds,
/// negative for a stale answer (RFC 9211 §2.6); `detail` holds our word where the standard parameters do not
/// tell it (§2.8).
pub fn cache_status(values: &mut Values, cache: &str, state: &State) -> HeaderValue {
    let ttl = state.freshness.max_age.as_secs() as i64 - state.age.as_secs() as i64;
    let collapsed = if state.served.collapsed { "; collapsed" } else { "" };
    match state.served.status {
        CacheStatus::Hit => values.format(format_args!("{cache}; hit; ttl={ttl}")),
        status @ (CacheStatus::Stale | CacheStatus::Updating) => {
            values.format(format_args!("{cache}; hit; ttl={ttl}; detail={}", status.as_str()))
        }
        CacheStatus::Miss => values.format(format_args!("{cache}; fwd=miss{collapsed}")),
        CacheStatus::Expired => values.format(format_args!("{cache}; fwd=stale{collapsed}")),
        CacheStatus::Revalidated => {
            values.format(format_args!("{cache}; fwd=stale; fwd-status=304{collapsed}"))
        }
    }
}

/// The state of an answer. `None` where the answer does not say at which version and time it is true: then
/// it is none of nearkv's.
#[must_use]
pub fn read_state(headers: &HeaderMap) -> Option<State> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let control = text(&header::CACHE_CONTROL).unwrap_or_default();
    let directive = |name: &str| {
        let seconds = control.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or_default())
    };
    Some(State {
        version: text(&names::NEARKV_VERSION)?.parse().ok()?,
        age: Duration::from_millis(text(&names::NEARKV_AGE)?.parse().ok()?),
        time: UnixMillis(text(&names::NEARKV_TIME)?.parse().ok()?),
        freshness: Freshness { max_age: directive("max-age"), stale_if_error: directive("stale-if-error") },
        served: read_served(text(&names::CF_CACHE_STATUS), text(&names::CACHE_STATUS)),
    })
}

/// An origin sends neither header on a list and a write: what it answers is a miss to every cache before it.
pub(super) fn read_served(word: Option<&str>, cache_status: Option<&str>) -> Served {
    let parameters = || cache_status.unwrap_or_default().split(';').map(str::trim).skip(1);
    let has = |wanted: &str| parameters().any(|parameter| parameter == wanted);
    let word = word.or_else(|| parameters().find_map(|parameter| parameter.strip_prefix("detail=")));
    let status = word.and_then(CacheStatus::parse).unwrap_or_else(|| {
        if has("hit") {
            CacheStatus::Hit
        } else if has("fwd=stale") {
            if has("fwd-status=304") { CacheStatus::Revalidated } else { CacheStatus::Expired }
        } else {
            CacheStatus::Miss
        }
    });
    Served { status, collapsed: has("collapsed") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Incarnation, Random, Version};

    #[test]
    fn a_state_reads_back_from_its_headers_also_without_cf_cache_status() {
        for status in CacheStatus::ALL {
            let state = State {
                version: Version::new(Incarnation::mint(&Random::seeded(3)), 42),
                age: Duration::from_millis(61_234),
                time: UnixMillis(1_800_000_000_123),
                freshness: Freshness {
                    max_age: Duration::from_secs(60),
                    stale_if_error: Duration::from_secs(86_400),
                },
                served: Served { status, collapsed: status == CacheStatus::Expired },
            };
            let mut headers = HeaderMap::new();
            let mut values = Values::default();
            write_state(&mut headers, &mut values, &state);
            headers.insert(&names::CACHE_STATUS, cache_status(&mut values, "nearkv-london", &state));
            assert_eq!(read_state(&headers), Some(state));
            assert_eq!(headers[header::AGE], "61");
            assert_eq!(headers[header::CACHE_CONTROL], "private, max-age=60, stale-if-error=86400");
        }
    }

    #[test]
    fn cache_status_says_what_rfc_9211_asks_for() {
        let mut state = State {
            version: Version::new(Incarnation::mint(&Random::seeded(3)), 1),
            age: Duration::from_secs(70),
            time: UnixMillis(0),
            freshness: Freshness { max_age: Duration::from_secs(60), stale_if_error: Duration::ZERO },
            served: CacheStatus::Stale.into(),
        };
        let values = &mut Values::default();
        assert_eq!(cache_status(values, "nearkv-x", &state), "nearkv-x; hit; ttl=-10; detail=STALE");
        state.served = Served { status: CacheStatus::Miss, collapsed: true };
        assert_eq!(cache_status(values, "nearkv-x", &state), "nearkv-x; fwd=miss; collapsed");
    }
}
