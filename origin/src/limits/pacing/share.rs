//! How the operators of an installation divide what they may send together (design §6 invariant 9). Each has the same part
//! of rate and burst. Who comes takes over what those who have gone had left, and what those who stay have beyond their new
//! part; so together they never have more than the burst, and a restart is none. Pure.

use std::time::Duration;

use crate::limits::pacing::PacingSettings;

/// What another operator had left, as it said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Bytes that it could send at once; below zero, what had to come in before.
    pub(crate) level: i64,
    /// How long ago that was.
    pub(crate) since: Duration,
}

/// What an operator that comes may send at once: `staying` are there, `gone` were there lately and it takes their place. The
/// whole burst where there was nobody for so long that the store has forgotten what they wrote.
#[must_use]
pub(crate) fn on_arrival(limits: PacingSettings, staying: &[Left], gone: &[Left]) -> i64 {
    let (rate, burst) = (limits.bytes_per_second as f64, limits.bytes_burst as f64);
    if staying.is_empty() && gone.is_empty() {
        return burst as i64;
    }
    let (before, after) = (staying.len().max(1) as f64, (staying.len() + 1) as f64);
    let now = |left: &Left, parts: f64| left.level as f64 + left.since.as_secs_f64() * rate / parts;
    let given_up: f64 = staying.iter().map(|left| (now(left, before) - burst / after).max(0.0)).sum();
    let left_over: f64 = gone.iter().map(|left| now(left, after)).sum();
    (given_up + left_over).min(burst / after) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 bytes a second, and 1000 at once.
    const LIMITS: PacingSettings = PacingSettings { bytes_per_second: 100, bytes_burst: 1000 };

    fn left(level: i64, seconds: u64) -> Left {
        Left { level, since: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_first_operator_has_the_whole_burst() {
        assert_eq!(on_arrival(LIMITS, &[], &[]), 1000);
    }

    #[test]
    fn a_restart_goes_on_with_what_was_left() {
        assert_eq!(on_arrival(LIMITS, &[], &[left(-300, 2)]), -100);
        assert_eq!(on_arrival(LIMITS, &[], &[left(-300, 60)]), 1000);
        assert_eq!(on_arrival(LIMITS, &[], &[left(200, 0), left(-500, 0)]), -300, "of two");
    }

    #[test]
    fn a_second_operator_has_what_the_first_must_give_up() {
        assert_eq!(on_arrival(LIMITS, &[left(1000, 0)], &[]), 500, "each has half");
        assert_eq!(on_arrival(LIMITS, &[left(700, 0)], &[]), 200);
        assert_eq!(on_arrival(LIMITS, &[left(-700, 0)], &[]), 0, "the first has nothing to give up");
        assert_eq!(
            on_arrival(LIMITS, &[left(100, 0)], &[left(-50, 0)]),
            -50,
            "a rollout takes over the debt"
        );
    }

    #[test]
    fn whoever_comes_and_goes_all_together_never_have_more_than_the_burst() {
        let level = |n: u64| (n * 7919 % 3000).cast_signed() - 2000;
        for n in 0..2000 {
            let staying: Vec<_> =
                (0..n % 4).map(|i| left(level(n + i).min(1000 / (n % 4).max(1).cast_signed()), 0)).collect();
            let gone: Vec<_> = (0..n % 3).map(|i| left(level(n * 3 + i), 0)).collect();
            let part = 1000 / (staying.len() as i64 + 1);
            let before: i64 = staying.iter().chain(&gone).map(|left| left.level).sum();
            let mine = on_arrival(LIMITS, &staying, &gone);
            let after: i64 = staying.iter().map(|left| left.level.min(part)).sum::<i64>() + mine;
            let nobody = staying.is_empty() && gone.is_empty();
            assert!(after <= before.max(0) + 2 || after <= before + 2 || nobody, "{before} became {after}");
            assert!(mine <= part + 1);
        }
    }
}
