//! The table of decisions: each row is a moment in the life of a cached answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nearkv::{Expiration, Freshness, Incarnation, Key, Namespace, Page, Prefix, Random, UnixMillis, Version};

use super::*;
use crate::{
    coherence::{Floor, IncarnationState, Incarnations, ListQuery, Ticket},
    entry::{Found, Proof},
};

const START: u64 = 1_700_000_000;

struct Case {
    incarnation: Arc<IncarnationState>,
    cached: CachedEntry,
    now: Instant,
    read: ReadOptions,
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn version(number: u64) -> Version {
    Version::new(Incarnation::mint(&Random::seeded(1)), number)
}

/// An answer cached at version 10 with a time to live of 60 s and 600 s of grace, now `age` seconds old.
fn case(body: Body, age: u64) -> Case {
    let namespace: Namespace = "a/b".parse().unwrap();
    let incarnation = Incarnations::default().admit(&namespace, version(0).incarnation, Ticket(0)).unwrap();
    let now = Instant::now() + secs(1000);
    let proof = Proof {
        ticket: Ticket(1),
        sent: now - secs(age / 2),
        age: secs(age - age / 2),
        time: UnixMillis(START * 1000),
        freshness: Freshness { max_age: secs(60), stale_if_error: secs(600) },
    };
    Case {
        cached: CachedEntry::new(incarnation.clone(), body, version(10), proof),
        incarnation,
        now,
        read: ReadOptions::default(),
    }
}

fn found() -> Body {
    Body::Found(Found {
        bytes: Bytes::from_static(b"v"),
        metadata: None,
        expiration: None,
        version: version(3),
    })
}

fn expiring(after: u64) -> Body {
    Body::Found(Found {
        bytes: Bytes::from_static(b"v"),
        metadata: None,
        expiration: Some(Expiration(START + after)),
        version: version(3),
    })
}

impl Case {
    fn ttl(mut self, secs: u64) -> Self {
        self.read.cache_ttl = Some(Duration::from_secs(secs));
        self
    }

    fn at_least(mut self, version: Version) -> Self {
        self.read.min_version = Some(version);
        self
    }

    fn suspect(mut self) -> Self {
        self.cached = self.cached.suspected();
        self
    }

    fn paused(self) -> Self {
        self.cached.pause_until(self.now + secs(1));
        self
    }

    fn judged(&self) -> Decision {
        let cache_key = CacheKey::entry(&"a/b".parse().unwrap(), &Key::new("k").unwrap());
        judge(&cache_key, &self.cached, self.now, &self.read)
    }
}

#[test]
fn a_cached_answer_is_judged_by_its_age_and_the_readers_bounds() {
    use Decision::{Fetch, Revalidate, Serve, ServeAndRefresh, ServeStale};
    let other_incarnation = Version::new(Incarnation::mint(&Random::seeded(2)), 1);
    for (name, case, decision) in [
        ("new", case(found(), 0), Serve),
        ("three quarters through", case(found(), 45), Serve),
        ("past three quarters", case(found(), 46), ServeAndRefresh),
        ("past three quarters, a refresh has just failed", case(found(), 46).paused(), Serve),
        ("at its time to live", case(found(), 60), ServeAndRefresh),
        ("past its time to live", case(found(), 61), Revalidate),
        ("past it, a refresh has just failed", case(found(), 61).paused(), ServeStale),
        ("at the end of its grace", case(found(), 660), Revalidate),
        ("past its grace", case(found(), 661), Fetch),
        ("past its grace, paused", case(found(), 661).paused(), Fetch),
        ("the reader's shorter time to live", case(found(), 31).ttl(30), Revalidate),
        ("the shorter one does not shorten the grace", case(found(), 660).ttl(30), Revalidate),
        ("the reader's longer time to live", case(found(), 2000).ttl(3600), Serve),
        ("the longer one lengthens the grace", case(found(), 4200).ttl(3600), Revalidate),
        ("absent", case(Body::Absent, 30), Serve),
        ("absent, and a longer time to live does not count", case(Body::Absent, 61).ttl(3600), Revalidate),
        ("absent, and a shorter one counts", case(Body::Absent, 31).ttl(30), Revalidate),
        ("as new as the reader wants it", case(found(), 1).at_least(version(10)), Serve),
        ("older than the reader wants it", case(found(), 1).at_least(version(11)), Fetch),
        ("of another incarnation than the reader's", case(found(), 1).at_least(other_incarnation), Fetch),
        ("a write with unknown outcome came after", case(found(), 1).suspect(), Revalidate),
        ("not yet expired", case(expiring(2), 2), Serve),
        ("expired", case(expiring(1), 2), Fetch),
        ("expired in its grace", case(expiring(1), 61), Fetch),
    ] {
        assert_eq!(case.judged(), decision, "{name}");
    }
}

#[test]
fn nothing_of_a_retired_incarnation_is_served() {
    let case = case(found(), 0);
    let incarnations = Incarnations::default();
    let namespace: Namespace = "a/b".parse().unwrap();
    let incarnation = incarnations.admit(&namespace, version(0).incarnation, Ticket(0)).unwrap();
    let cached = CachedEntry::new(incarnation, found(), version(10), case.cached.proof);
    let cache_key = CacheKey::entry(&namespace, &Key::new("k").unwrap());
    assert_eq!(judge(&cache_key, &cached, case.now, &case.read), Decision::Serve);
    incarnations.remove(&namespace);
    assert_eq!(judge(&cache_key, &cached, case.now, &case.read), Decision::Fetch);
}

#[test]
fn a_page_is_dropped_by_a_write_under_its_prefix_and_by_no_other() {
    let page = |case: &Case| {
        Body::Page(Arc::new(Page { keys: Vec::new(), cursor: None }), case.incarnation.log().position())
    };
    for (written, decision) in [("a/1", Decision::Fetch), ("b/1", Decision::Serve)] {
        let mut case = case(Body::Absent, 0);
        case.cached.body = page(&case);
        let query = ListQuery { prefix: Prefix::new("a/").unwrap(), limit: 10, cursor: None };
        let cache_key = CacheKey::List("a/b".parse().unwrap(), Arc::new(query));
        assert_eq!(judge(&cache_key, &case.cached, case.now, &case.read), Decision::Serve);
        case.incarnation.log().push(Key::new(written).unwrap(), Floor::written(version(11)));
        assert_eq!(judge(&cache_key, &case.cached, case.now, &case.read), decision, "{written}");
    }
}
