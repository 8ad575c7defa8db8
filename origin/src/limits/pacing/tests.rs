use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use super::*;
use crate::store::ObjectName;

/// 1000 bytes a second, and 5000 at once.
const SETTINGS: PacingSettings = PacingSettings { bytes_per_second: 1000, bytes_burst: 5000 };

fn pace() -> Arc<Pace> {
    Pace::new(Some(SETTINGS))
}

async fn admit(pace: &Pace, lane: Lane, who: &str, bytes: u64) {
    let mut turn = pace.turn(lane, who.into(), bytes);
    turn.come().await;
    turn.spend(bytes);
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_at_once_and_then_the_rate_holds() {
    let (pace, start) = (pace(), Instant::now());
    for _ in 0..50 {
        admit(&pace, Lane::Commit, "a", 100).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..100 {
        admit(&pace, Lane::Commit, "a", 100).await;
    }
    let seconds = seconds(start);
    assert!((9.8..10.2).contains(&seconds), "10,000 bytes at 1000 a second took {seconds} s");
}

/// Bytes alone are bounded: small writes cost little however many they are.
#[tokio::test(start_paused = true)]
async fn ten_thousand_small_writes_wait_no_longer_than_their_bytes() {
    let (pace, start) = (pace(), Instant::now());
    for _ in 0..10_000 {
        admit(&pace, Lane::Commit, "a", 1).await;
    }
    assert!((5.0..5.2).contains(&seconds(start)), "{} s", seconds(start));
}

#[tokio::test(start_paused = true)]
async fn a_write_larger_than_the_burst_passes_and_is_paid_for_afterwards() {
    let (pace, start) = (pace(), Instant::now());
    admit(&pace, Lane::Commit, "a", 25_000).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(pace.delay() >= Duration::from_secs(20));
    admit(&pace, Lane::Commit, "a", 1).await;
    assert!((20.0..20.2).contains(&seconds(start)));
}

/// How many writes of each lane go within 10 s by so many at once, of 100 for which there is room.
async fn share(commits: usize, maintenance: usize) -> [usize; 2] {
    let pace = pace();
    admit(&pace, Lane::Commit, "a", 5000).await;
    let gone = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let lanes = [(Lane::Commit, commits), (Lane::Maintenance, maintenance)];
    let mut running = tokio::task::JoinSet::new();
    for (lane, writers) in lanes {
        for _ in 0..writers {
            let (pace, gone) = (Arc::clone(&pace), Arc::clone(&gone));
            running.spawn(async move {
                loop {
                    admit(&pace, lane, "a", 100).await;
                    gone[lane as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    sleep(Duration::from_secs(10)).await;
    gone.each_ref().map(|gone| gone.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn commits_and_maintenance_have_half_each_while_both_wait_however_many_they_are() {
    for (commits, maintenance) in [(1, 1), (1, 8), (8, 1), (4, 4)] {
        let shares = share(commits, maintenance).await;
        assert!(shares.iter().all(|share| (45..=55).contains(share)), "{shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_alone_has_all_there_is() {
    assert!(matches!(share(4, 0).await, [95..=105, 0]));
    assert!(matches!(share(0, 4).await, [0, 95..=105]));
}

/// Starts writes of 1000 bytes, a moment apart, and answers in which order they go.
async fn order(pace: &Arc<Pace>, writes: &[&'static str]) -> Vec<&'static str> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut running = tokio::task::JoinSet::new();
    for who in writes {
        let (pace, order, who) = (Arc::clone(pace), Arc::clone(&order), *who);
        running.spawn(async move {
            admit(&pace, Lane::Commit, who, 1000).await;
            order.lock().push(who);
        });
        sleep(Duration::from_millis(1)).await;
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    let order = order.lock();
    order.clone()
}

#[tokio::test(start_paused = true)]
async fn who_waits_longest_goes_first() {
    let pace = pace();
    admit(&pace, Lane::Commit, "z", 5000).await;
    let came = ["g", "c", "f", "a", "e", "b", "d"];
    assert_eq!(order(&pace, &came).await, came);
}

/// `h` has ten writes waiting before the others come, as with many values at once.
#[tokio::test(start_paused = true)]
async fn who_has_many_writes_waiting_has_no_more_of_the_pace_than_others() {
    let pace = pace();
    admit(&pace, Lane::Commit, "z", 5000).await;
    let came = [&["h"; 10][..], &["a", "b", "c"]].concat();
    let went = order(&pace, &came).await;
    assert_eq!(went[..5], ["h", "a", "b", "c", "h"], "{went:?}");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_its_place_to_the_next() {
    let pace = pace();
    admit(&pace, Lane::Commit, "z", 6000).await;
    let (start, mut first) = (Instant::now(), pace.turn(Lane::Commit, "a".into(), 100));
    let mut second = pace.turn(Lane::Commit, "b".into(), 100);
    assert!(second.delay() > first.delay());
    tokio::select! {
        () = first.come() => panic!("there is nothing yet"),
        () = sleep(Duration::from_millis(500)) => {}
    }
    let (waits, ()) = tokio::join!(
        async {
            second.come().await;
            seconds(start)
        },
        async {
            sleep(Duration::from_millis(100)).await;
            drop(first);
        }
    );
    assert!((1.0..1.01).contains(&waits), "{waits} s");
    let level = pace.level().unwrap();
    drop(second);
    assert_eq!(pace.level(), Some(level + 100), "what was not sent is given back");
}

#[tokio::test(start_paused = true)]
async fn each_of_several_operators_has_its_share_of_rate_and_burst() {
    let pace = pace();
    pace.set_share(4);
    assert_eq!(pace.level(), Some(1250));
    let start = Instant::now();
    admit(&pace, Lane::Commit, "a", 1250 + 250).await;
    admit(&pace, Lane::Commit, "a", 1).await;
    assert!((1.0..1.01).contains(&seconds(start)), "250 bytes at 250 a second took {} s", seconds(start));
    pace.set_share(1);
    assert!(pace.level().unwrap() <= 1, "a larger share is no new burst");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(pace.level(), Some(5000));
}

/// A share that grows while a write waits is in force for it.
#[tokio::test(start_paused = true)]
async fn a_share_that_grows_shortens_the_wait() {
    let pace = pace();
    pace.set_share(10);
    admit(&pace, Lane::Commit, "a", 1500).await;
    let start = Instant::now();
    tokio::join!(admit(&pace, Lane::Commit, "a", 1), async {
        sleep(Duration::from_secs(1)).await;
        pace.set_share(1);
    });
    assert!((1.8..2.1).contains(&seconds(start)), "{} s", seconds(start));
}

#[tokio::test(start_paused = true)]
async fn what_others_owe_is_waited_for_and_what_they_have_left_is_no_more_than_the_burst() {
    let pace = pace();
    pace.empty();
    assert_eq!(pace.level(), Some(0));
    pace.take_over(-2000);
    let start = Instant::now();
    admit(&pace, Lane::Commit, "a", 1).await;
    assert!((2.0..2.1).contains(&seconds(start)), "{} s", seconds(start));
    pace.take_over(90_000);
    assert_eq!(pace.level(), Some(5000));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_beside_the_data_is_paid_for_by_what_follows() {
    let (pace, start) = (pace(), Instant::now());
    pace.spend(5000);
    admit(&pace, Lane::Commit, "a", 1).await;
    assert!((1.0..1.1).contains(&seconds(start)), "{} s for an envelope of 1024 bytes", seconds(start));
}

#[tokio::test(start_paused = true)]
async fn commits_gather_the_longer_the_less_there_is() {
    let pace = pace();
    for (level, gathers) in [(5000, 0), (2500, 0), (1250, 25), (0, 50), (-1000, 50)] {
        pace.empty();
        pace.take_over(level - pace.level().unwrap());
        assert_eq!(pace.gathering(), Duration::from_millis(gathers), "{level} bytes are there");
    }
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_waits() {
    let (pace, start) = (Pace::new(None), Instant::now());
    for _ in 0..100_000 {
        admit(&pace, Lane::Maintenance, "a", u64::MAX / 2).await;
    }
    assert_eq!((start.elapsed(), pace.gathering()), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn every_object_of_a_kvnamespace_is_its_own() {
    for name in ["b.kv", "b.kv.log.9f3a", "b.kv.value.00.3"] {
        assert_eq!(&*whose(&ObjectName::new("a", name)), "a/b");
    }
}
