//! Tokens: what is one, that none is shown, and that a connection takes none for another.

use http::{HeaderMap, header};

use super::{super::connection::remembering_token, *};

#[test]
fn a_token_is_shown_by_nothing_but_expose() {
    let secret = "s3cr3t-token";
    let token = BearerToken::new(secret).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, token.header());
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
        BearerToken::of(&headers(values))
            .map(|token| token.map(|token| token.expose().to_owned()))
            .map_err(drop)
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

/// A request's headers with each of these as an `Authorization`.
fn headers(authorizations: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in authorizations {
        headers.append(header::AUTHORIZATION, value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn a_connection_reads_a_repeated_token_once_and_takes_no_other_for_it() {
    let (long, longer) = (format!("Bearer {}", "t".repeat(1000)), format!("Bearer {}u", "t".repeat(999)));
    let requests: [&[&str]; 9] = [
        &["Bearer one"],
        &["Bearer two"],
        &["bearer one"],
        &["Bearer one "],
        &["Basic one"],
        &[],
        &["Bearer one", "Bearer one"],
        &[&long],
        &[&longer],
    ];
    let read = |request: &[&str]| BearerToken::of(&headers(request)).map_err(|error| error.to_string());
    // Two that live at the same time are at one place only if they are one.
    let place = |token: &Result<Option<BearerToken>, String>| {
        token.as_ref().ok()?.as_ref().map(|token| token.header().as_bytes().as_ptr())
    };
    let alone = requests.map(read);
    remembering_token(async {
        for before in requests {
            for (request, expected) in requests.iter().zip(&alone) {
                drop(read(before));
                let (first, second) = (read(request), read(request));
                assert_eq!(&first, expected, "{request:?} after {before:?}");
                assert_eq!(&second, expected, "{request:?} again");
                assert_eq!(place(&first), place(&second), "{request:?} is read once");
            }
        }
    })
    .await;
    let first = read(requests[0]);
    assert_ne!(
        place(&first),
        place(&read(requests[0])),
        "nothing is remembered where there is no connection"
    );
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
