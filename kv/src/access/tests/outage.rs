//! What an authority that is silent, away or unwilling means for those it let in before, and for everybody else.

use super::*;

/// The story of the module `guard`.
#[tokio::test(start_paused = true)]
async fn while_the_authority_cannot_be_reached_an_earlier_permission_reads_what_is_cached() {
    let down = Next::Fails(Reason::Unavailable);
    let authority = Scripted::new(&[allowed(), down]);
    let guard = guard(&authority, Duration::from_secs(10_800));
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::Full));
    advance(Duration::from_secs(61)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::CachedOnly));
    for (caller, verb) in
        [(bearer("stranger"), Verb::Get), (bearer("t"), Verb::List), (bearer("t"), Verb::Update)]
    {
        assert_eq!(outcome(&guard, &caller, verb).await, Err("unavailable"), "{verb:?}");
    }
    advance(Duration::from_secs(10_800 - 62)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::CachedOnly));
    advance(Duration::from_secs(2)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Err("unavailable"), "after three hours");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_allowed_is_refused_while_the_authority_cannot_be_reached() {
    let authority = Scripted::new(&[allowed(), Next::Fails(Reason::Unavailable)]);
    let guard = guard(&authority, LONG);
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Update).await, Ok(Permit::Full));
    advance(Duration::from_secs(61)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Update).await, Err("unavailable"));
}

#[tokio::test(start_paused = true)]
async fn strict_means_that_nobody_reads_while_the_authority_cannot_be_reached() {
    let authority = Scripted::new(&[allowed(), Next::Fails(Reason::Unavailable)]);
    let guard = guard(&authority, Duration::ZERO);
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::Full));
    advance(Duration::from_secs(61)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Err("unavailable"));
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_is_there_and_will_not_decide_is_no_outage() {
    let authority = Scripted::new(&[allowed(), Next::Fails(Reason::StoreRefused)]);
    let guard = guard(&authority, LONG);
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::Full));
    advance(Duration::from_secs(61)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Err("store-refused"));
}

/// t0 allowed; t61 a silent authority: the reader waits a second, and the next ones do not wait; t63.5 its answer, a
/// no, has come although nobody waited for it.
#[tokio::test(start_paused = true)]
async fn a_slow_authority_holds_up_one_read_and_its_late_refusal_counts() {
    let late = Next::SaysAfter(Duration::from_millis(2500), Verdict::Unknown);
    let authority = Scripted::new(&[allowed(), late]);
    let guard = guard(&authority, LONG);
    outcome(&guard, &bearer("t"), Verb::Get).await.unwrap();
    advance(Duration::from_secs(61)).await;
    let began = Instant::now();
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::CachedOnly));
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Ok(Permit::CachedOnly));
    assert_eq!(began.elapsed().as_secs(), 1, "the second one does not wait");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Err("unauthenticated"));
    assert_eq!(authority.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_never_answers_refuses_strangers_in_bounded_time() {
    let authority = Scripted::new(&[Next::SaysAfter(LONG, Verdict::Allowed)]);
    let guard = guard(&authority, LONG);
    let began = Instant::now();
    assert_eq!(outcome(&guard, &bearer("t"), Verb::Get).await, Err("unavailable"));
    assert!(began.elapsed() <= Duration::from_secs(6));
}
