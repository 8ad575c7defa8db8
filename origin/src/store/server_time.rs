//! The time of a store that is another machine, estimated from the times that its answers carry. It runs on a clock
//! that nobody sets, so a wrong or jumping wall clock of this machine does not move it.

use std::time::Duration;

use nearkv::UnixMillis;
use parking_lot::Mutex;

/// `Date` (RFC 9110 §6.6.1) has whole seconds: the server's clock shows up to this much more.
const RESOLUTION_MS: u64 = 1000;
/// Two clocks drift apart by less than this share of the time that passes: 500 ppm is five times what a quartz does.
const DRIFT: u64 = 2000;
/// An answer that took longer says too little to contradict what earlier ones have shown.
const SLOWEST: Duration = Duration::from_secs(1);

/// What the answers so far have shown.
#[derive(Debug, Default)]
pub struct ServerTime {
    known: Mutex<Option<Bounds>>,
}

/// The server's clock showed something between the two, at a moment of the steady clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    at: Duration,
    earliest: u64,
    latest: u64,
}

impl Bounds {
    /// The same at a later moment: wider by what the clocks may have drifted apart.
    fn later(self, at: Duration) -> Self {
        let passed = u64::try_from(at.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        let drift = passed.div_ceil(DRIFT);
        Self {
            at,
            earliest: self.earliest.saturating_add(passed).saturating_sub(drift),
            latest: self.latest.saturating_add(passed).saturating_add(drift),
        }
    }

    /// What both say; `None` if they contradict each other.
    fn and(self, other: Self) -> Option<Self> {
        let (earliest, latest) = (self.earliest.max(other.earliest), self.latest.min(other.latest));
        (earliest <= latest).then_some(Self { earliest, latest, ..self })
    }
}

impl ServerTime {
    /// Learns from an answer that carries `date`. `sent` and `received` are readings of [`nearkv::Clock::steady`].
    pub fn observe(&self, sent: Duration, received: Duration, date: UnixMillis) {
        let took = received.saturating_sub(sent);
        let slack = RESOLUTION_MS.saturating_add(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let shown = Bounds { at: received, earliest: date.0, latest: date.0.saturating_add(slack) };
        let mut known = self.known.lock();
        *known = match known.map(|known| known.later(received)) {
            None => Some(shown),
            Some(before) => match before.and(shown) {
                Some(both) => Some(both),
                // The server's clock was set, or another server has answered.
                None if took <= SLOWEST => Some(shown),
                None => Some(before),
            },
        };
    }

    /// The server's time at `steady`: the middle of what is possible. `None` before the first answer.
    #[must_use]
    pub fn at(&self, steady: Duration) -> Option<UnixMillis> {
        let bounds = (*self.known.lock())?.later(steady);
        Some(UnixMillis(bounds.earliest + (bounds.latest - bounds.earliest) / 2))
    }

    /// How far [`ServerTime::at`] may be off at `steady`, either way. `None` before the first answer.
    #[must_use]
    pub fn uncertainty(&self, steady: Duration) -> Option<Duration> {
        let bounds = (*self.known.lock())?.later(steady);
        Some(Duration::from_millis((bounds.latest - bounds.earliest).div_ceil(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Answers of a server whose clock shows `ahead` ms plus the steady time, asked every `pause`.
    fn hear(time: &ServerTime, ahead: u64, from: u64, pause: u64, count: u64) -> u64 {
        for n in 0..count {
            let sent = from + n * pause;
            let date = (ahead + sent + 2) / 1000 * 1000;
            time.observe(ms(sent), ms(sent + 4), UnixMillis(date));
        }
        from + count * pause
    }

    #[test]
    fn nothing_is_known_before_the_first_answer() {
        let time = ServerTime::default();
        assert_eq!((time.at(ms(5)), time.uncertainty(ms(5))), (None, None));
    }

    #[test]
    fn one_answer_is_right_to_half_a_second_and_many_to_the_round_trip() {
        let time = ServerTime::default();
        let ahead = 1_700_000_000_123;
        hear(&time, ahead, 0, 1, 1);
        assert!(time.uncertainty(ms(4)).unwrap() <= ms(502));
        let now = hear(&time, ahead, 10, 37, 200);
        let off = time.at(ms(now)).unwrap().0.abs_diff(ahead + now);
        assert!(off <= 40 && time.uncertainty(ms(now)).unwrap() <= ms(40), "{off} ms off");
    }

    #[test]
    fn a_server_whose_clock_is_set_is_believed_unless_its_answer_was_slow() {
        let time = ServerTime::default();
        let now = hear(&time, 1_700_000_000_000, 0, 10, 100);
        time.observe(ms(now), ms(now + 5000), UnixMillis(1_600_000_000_000));
        assert!(time.at(ms(now + 5000)).unwrap().0 > 1_700_000_000_000);
        time.observe(ms(now + 5000), ms(now + 5010), UnixMillis(1_600_000_000_000));
        assert!(time.at(ms(now + 5010)).unwrap().0 < 1_600_000_002_000);
    }

    #[test]
    fn what_was_known_long_ago_is_known_less_exactly() {
        let time = ServerTime::default();
        let now = hear(&time, 1_700_000_000_000, 0, 37, 200);
        let day = 86_400_000;
        let uncertainty = time.uncertainty(ms(now + day)).unwrap();
        assert!(uncertainty > ms(40_000) && uncertainty < ms(50_000), "{uncertainty:?}");
    }
}
