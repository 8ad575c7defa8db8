//! The election's decisions. Pure: what was seen of the record, and when, by a monotonic clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// What to do with the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none.
    Create,
    /// It is ours.
    Renew,
    /// Its holder gave it back, or has not renewed it for its duration.
    Take,
    /// Its holder is alive.
    Wait,
}

/// What a candidate remembers.
#[derive(Debug, Default)]
pub(super) struct Election {
    /// The record's version as last seen, and when it was first seen.
    seen: Option<(String, Instant)>,
    /// When the last successful renewal was asked for.
    renewed: Option<Instant>,
}

impl Election {
    pub(super) fn decide(
        &mut self,
        found: Option<&Lease>,
        me: &str,
        now: Instant,
        duration: Duration,
    ) -> Step {
        let Some(lease) = found else { return Step::Create };
        let since = self.saw(lease, now);
        match lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) {
            Some(holder) if holder == me => Step::Renew,
            None | Some("") => Step::Take,
            Some(_) if now.duration_since(since) >= duration => Step::Take,
            Some(_) => Step::Wait,
        }
    }

    /// Notes the record, and says since when it has been the same.
    pub(super) fn saw(&mut self, lease: &Lease, now: Instant) -> Instant {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        }
    }

    /// The Lease is held since a request sent at `asked`: the holder's deadline counts from before the write,
    /// everybody else's from after it.
    pub(super) fn renewed(&mut self, asked: Instant) {
        self.renewed = Some(asked);
    }

    /// Somebody else holds it.
    pub(super) fn lost(&mut self) {
        self.renewed = None;
    }

    pub(super) fn is_leading(&self, now: Instant, deadline: Duration) -> bool {
        self.renewed.is_some_and(|renewed| now.duration_since(renewed) < deadline)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use kube::api::ObjectMeta;
    use tokio::time::advance;

    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn lease(holder: &str, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta { resource_version: Some(version.into()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec { holder_identity: Some(holder.into()), ..LeaseSpec::default() }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_renews_is_respected_and_a_silent_one_is_not() {
        let mut election = Election::default();
        let mut decide = |lease: &Lease| election.decide(Some(lease), "me", Instant::now(), DURATION);
        assert_eq!(decide(&lease("other", "1")), Step::Wait);
        advance(Duration::from_secs(14)).await;
        assert_eq!(decide(&lease("other", "2")), Step::Wait);
        advance(Duration::from_secs(14)).await;
        assert_eq!(decide(&lease("other", "2")), Step::Wait);
        advance(Duration::from_secs(1)).await;
        assert_eq!(decide(&lease("other", "2")), Step::Take);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_or_returned_lease_is_taken_at_once_and_an_own_one_renewed() {
        let mut election = Election::default();
        let now = Instant::now();
        assert_eq!(election.decide(None, "me", now, DURATION), Step::Create);
        assert_eq!(election.decide(Some(&lease("", "1")), "me", now, DURATION), Step::Take);
        assert_eq!(election.decide(Some(&lease("me", "2")), "me", now, DURATION), Step::Renew);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_without_renewal_stops_before_another_takes_over() {
        let mut election = Election::default();
        election.renewed(Instant::now());
        advance(super::super::RENEW_DEADLINE).await;
        assert!(!election.is_leading(Instant::now(), super::super::RENEW_DEADLINE));
        assert!(super::super::RENEW_DEADLINE + super::super::REQUEST_LIMIT <= DURATION);
    }
}
