//! Traces of a put and a get through an edge: one trace, from the client's `traceparent` over the edge and the
//! operator to its calls of the API server, as a collector of OTLP over HTTP receives it.

use std::sync::Arc;

use nearkv_tests::nearkv::Server;
use nearkv_tests::{Scenario, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// The trace id of the client, as the header and as the protobuf field has it.
const TRACE: [u8; 16] =
    [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];

/// The smallest collector: takes every POST and keeps its body.
struct Collector {
    url: String,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&bodies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&kept)));
            }
        });
        Self { url, bodies }
    }

    /// What can be read of all batches.
    async fn shown(&self) -> String {
        let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let bodies = self.bodies.lock().await;
        bodies
            .iter()
            .map(|body| {
                body.iter().filter(|b| printable(b)).map(|b| char::from(*b)).collect::<String>() + "\n"
            })
            .collect()
    }

    /// Whether one batch of spans has all these texts and a span of the trace.
    async fn has(&self, texts: &[&str]) -> bool {
        let holds = |body: &[u8], part: &[u8]| body.windows(part.len()).any(|window| window == part);
        self.bodies
            .lock()
            .await
            .iter()
            .any(|body| holds(body, &TRACE) && texts.iter().all(|text| holds(body, text.as_bytes())))
    }
}

async fn answer(mut stream: TcpStream, bodies: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut received = Vec::new();
    loop {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = end {
            let text = String::from_utf8_lossy(&received[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = head + 4 + length.unwrap_or("0").trim().parse::<usize>().unwrap();
            if received.len() >= whole {
                assert!(text.starts_with("post /v1/traces "), "{text}");
                bodies.lock().await.push(received[head + 4..whole].to_vec());
                received.drain(..whole);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                continue;
            }
        }
        match stream.read_buf(&mut received).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_client_over_edge_and_operator_to_the_calls_of_the_api_server() {
    let collector = Collector::start().await;
    // Nothing is traced but what the client asks for.
    let flags = ["--otlp-endpoint", &collector.url, "--trace-ratio", "0"];
    let scenario = Scenario::start(&flags).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let name = format!("{}.edge-traced", scenario.namespace.name());
    let edge = Server::edge(&name, scenario.operator.url(), "london", &flags).await.unwrap();
    let settings = scenario.settings(&edge);
    settings.put("untraced", "x").await.unwrap().ok().unwrap();

    let hex: String = TRACE.iter().map(|byte| format!("{byte:02x}")).collect();
    let client = nearkv_tests::http::client();
    let url = format!("{}/traced", edge.kv(scenario.namespace.name(), "settings"));
    let traced = |request: reqwest::RequestBuilder| {
        request.header("traceparent", format!("00-{hex}-00f067aa0ba902b7-01"))
    };
    let put = traced(client.put(&url)).body("value").send().await.unwrap();
    assert_eq!(put.status(), 200);
    let get = traced(client.get(format!("{url}-not"))).send().await.unwrap();
    assert_eq!(get.status(), 404);

    eventually("spans of edge and operator in one trace", async || {
        for (program, spans) in [
            ("nearkv-edge-cache", &["binding put", "binding get", "upstream"][..]),
            ("nearkv-operator", &["binding put", "binding get", "commit", "replace configmaps"]),
        ] {
            for span in spans {
                if !collector.has(&[program, span]).await {
                    let shown = collector.shown().await;
                    return Err(format!("no batch of {program} has {span:?}; there are: {shown}"));
                }
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}
