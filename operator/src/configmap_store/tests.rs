//! What a cluster store does when the API server does not answer as it should: a socket plays the server.
//! The real API server stands behind `tests/tests/store.rs`.

use nearkv::{
    SystemClock,
    telemetry::{SPANS, collected_nowhere, inject},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tracing::Instrument;

use super::*;
use nearkv_origin::store::Content;

/// The heads of the requests that came.
type Heads = Arc<Mutex<Vec<String>>>;

/// A store at a server that gives every request this answer, or none.
async fn server(answer: Option<&'static str>) -> (Cluster, Heads) {
    let (config, heads) = listen(answer).await;
    let random = Arc::new(Random::seeded(1));
    (Cluster::connect(config, Vec::new(), "nearkv-system", Arc::new(SystemClock), random).unwrap(), heads)
}

async fn listen(answer: Option<&'static str>) -> (Config, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Heads::default();
    let kept = Arc::clone(&heads);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    if connection.read_buf(&mut request).await.unwrap() == 0 {
                        return;
                    }
                }
                kept.lock().push(String::from_utf8_lossy(&request).to_lowercase());
                let Some(answer) = answer else { return std::future::pending().await };
                let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                connection.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (Config::new(format!("http://{address}").parse().unwrap()), heads)
}

fn draft() -> Draft {
    Draft {
        name: ObjectName::new("team-a", "settings.kv"),
        labels: [].into(),
        owner: None,
        content: Content::default(),
        immutable: false,
    }
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_the_server_answers() {
    // t0 the swap of a root is committed; t1 a proxy answers 504; t2 the client repeats it by itself and meets
    // a conflict with its own write; t3 the engine takes that for definite, rebases, and commits it twice.
    for answer in ["503 Service Unavailable", "504 Gateway Timeout", "429 Too Many Requests"] {
        let (store, requests) = server(Some(answer)).await;
        let error = store.replace(&draft(), &Token("7".into())).await.unwrap_err();
        assert_eq!(requests.lock().len(), 1, "{answer}: {error}");
        assert_eq!(error.is_unknown(), !answer.starts_with("429"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_with_its_deadline() {
    let (store, _) = server(None).await;
    let start = tokio::time::Instant::now();
    let error = store.create(&draft()).await.unwrap_err();
    assert!(error.is_unknown() && start.elapsed() >= CALL_DEADLINE, "{error}");
}

#[tokio::test]
async fn a_token_that_means_any_version_is_never_sent() {
    let (store, requests) = server(Some("500 Internal Server Error")).await;
    for token in ["", "0", "other"] {
        let error = store.replace(&draft(), &Token(token.into())).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    }
    assert!(requests.lock().is_empty());
}

#[tokio::test]
async fn the_api_server_is_told_which_trace_a_request_belongs_to() {
    let _spans_are_made = tracing::subscriber::set_default(collected_nowhere());
    let span = tracing::debug_span!(target: SPANS, "store");
    let mut headers = http::HeaderMap::new();
    span.in_scope(|| inject(&mut headers));
    let expected = format!("traceparent: {}", headers["traceparent"].to_str().unwrap());

    let (config, heads) = listen(Some("403 Forbidden")).await;
    let random = Arc::new(Random::seeded(1));
    let store =
        Cluster::connect(config.clone(), Vec::new(), "nearkv-system", Arc::new(SystemClock), random).unwrap();
    let (draft, id) = (draft(), ObjectId("1".into()));
    let calls = async {
        let _refused = store.get(&draft.name).await;
        let _refused = store.list(&Selector::default()).await;
        let _refused = store.create(&draft).await;
        let _refused = store.replace(&draft, &Token("7".into())).await;
        let _refused = store.delete(&draft.name, &id).await;
        // What asks for reviews.
        let client = crate::client::connect(config).unwrap();
        let _refused = client.request_text(http::Request::get("/version").body(Vec::new()).unwrap()).await;
    };
    calls.instrument(span).await;
    let told = std::mem::take(&mut *heads.lock());
    assert_eq!(told.len(), 6);
    for head in told {
        assert!(head.contains(&expected), "{expected} is not in {head}");
    }
    let _refused = store.get(&draft.name).await;
    assert!(!heads.lock()[0].contains("traceparent"), "what belongs to no trace says so");
}
