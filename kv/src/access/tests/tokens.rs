//! Tokens: what is one, and that none is shown.

use super::*;

#[test]
fn a_token_is_shown_by_nothing_but_expose() {
    let secret = "s3cr3t-token";
    let token = BearerToken::new(secret).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, token.header());
    let caller = Caller::take(&mut headers);
    assert_eq!(caller, Caller::Bearer(token.clone()));
    assert!(headers.is_empty(), "the token is off the request");
    for shown in [format!("{token:?}"), format!("{caller:?}"), format!("{:?}", token.header())] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(token.expose(), secret);
}

#[test]
fn an_authorization_is_one_bearer_token_or_nothing() {
    let read = |values: &[&str]| {
        let mut headers = http::HeaderMap::new();
        for value in values {
            headers.append(http::header::AUTHORIZATION, value.parse().unwrap());
        }
        BearerToken::of(&headers).map(|token| token.map(|token| token.expose().to_owned())).map_err(drop)
    };
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(read(&["Bearer abc.d_e-f~+/="]), Ok(Some("abc.d_e-f~+/=".to_owned())));
    assert_eq!(read(&["bearer t"]), Ok(Some("t".to_owned())));
    let long = format!("Bearer {}", "x".repeat(17_000));
    for bad in [
        &["Bearer "][..],
        &["Bearer a b"],
        &["Basic abc"],
        &["Bearer a", "Bearer a"],
        &["t"],
        &["Bearer é"],
        &[&long],
    ] {
        assert_eq!(read(bad), Err(()), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_file_is_read_again_and_its_last_token_outlives_it() {
    let folder = std::env::temp_dir().join(format!("nearkv-token-{}", Random::from_os().hex128()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("token");
    let file = TokenFile::new(&path);
    assert_eq!(file.token().unwrap_err().reason(), Reason::Unavailable);
    std::fs::write(&path, "first\n").unwrap();
    assert_eq!(file.token().unwrap().expose(), "first");
    std::fs::write(&path, "second\n").unwrap();
    assert_eq!(file.token().unwrap().expose(), "first", "not at every request");
    advance(Duration::from_secs(10)).await;
    assert_eq!(file.token().unwrap().expose(), "second");
    std::fs::remove_dir_all(&folder).unwrap();
    advance(Duration::from_secs(10)).await;
    assert_eq!(file.token().unwrap().expose(), "second");
}
