//! TLS from end to end: an operator and an edge with files in the layout of cert-manager's Secrets, which are replaced while
//! both run.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::fs;
use std::path::PathBuf;

use nearkv_tests::authority::{Authority, Certificate};
use nearkv_tests::binaries::Binaries;
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Server;
use nearkv_tests::ports::free_port;
use nearkv_tests::process::Program;
use nearkv_tests::{Scenario, eventually};

/// A mounted Secret.
struct Secret(PathBuf);

impl Secret {
    fn of(name: &str, authority: &Authority) -> Secret {
        let secret = Secret(new_folder(name).unwrap());
        secret.hold(authority);
        secret
    }

    /// A new certificate of the authority. Each file takes its name when it is whole, as the kubelet sees to.
    fn hold(&self, authority: &Authority) {
        let Certificate { certificate, key } = authority.issue(&["127.0.0.1"]).unwrap();
        for (name, pem) in [("ca.crt", authority.certificate()), ("tls.crt", certificate), ("tls.key", key)] {
            let new = self.0.join("..new");
            fs::write(&new, pem).unwrap();
            fs::rename(new, self.0.join(name)).unwrap();
        }
    }

    fn flag(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.0.join(file).display())
    }

    fn served(&self) -> [String; 2] {
        [self.flag("tls-cert-file", "tls.crt"), self.flag("tls-key-file", "tls.key")]
    }
}

fn https(server: &Server) -> String {
    server.url().replace("http://", "https://")
}

/// Reads with a connection of its own, and trusts one authority.
async fn get(base: &str, key: &str, authority: &Authority) -> Result<(u16, String), String> {
    nearkv_tests::http::client(); // chooses the implementation of TLS
    let authority = reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let answer = client.get(format!("{base}/{key}")).send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await.map_err(|error| error.to_string())?))
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_and_edge_speak_tls_from_files_of_secrets_that_are_replaced_while_they_run() {
    let [first, second] = [(); 2].map(|()| Authority::new().unwrap());
    let (of_operator, of_edge) = (Secret::of("operator-tls", &first), Secret::of("edge-tls", &second));
    let served = of_operator.served();
    let mut scenario = Scenario::start(&[&served[0], &served[1]]).await.unwrap();
    scenario.apply_ready("{entries: [{key: a, value: one}, {key: b, value: two}]}").await.unwrap();
    let account = scenario.namespace.name().to_owned();
    let [cert, key] = of_edge.served();
    let trusts = of_operator.flag("origin-ca-file", "ca.crt");
    let name = format!("{account}.edge");
    let edge =
        Server::edge(&name, &https(&scenario.operator), "london", &[&cert, &key, &trusts]).await.unwrap();
    let base = format!("{}/kv/{account}/settings", https(&edge));

    assert_eq!(get(&base, "a", &second).await.unwrap(), (200, "one".to_owned()));
    let refused = get(&base, "a", &first).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let plain =
        nearkv_tests::http::client().get(format!("{}/kv/{account}/settings/a", edge.url())).send().await;
    assert!(plain.is_err(), "nothing is served without TLS");

    // Whoever renews certificates replaces the files; whoever connects anew is shown the new ones.
    of_edge.hold(&first);
    of_operator.hold(&second);
    for (what, base, authority) in [
        ("the edge's", base.clone(), &first),
        ("the operator's", format!("{}/kv/{account}/settings", https(&scenario.operator)), &second),
    ] {
        eventually(&format!("{what} new certificate"), async || {
            let (status, value) = get(&base, "a", authority).await?;
            if (status, value.as_str()) == (200, "one") { Ok(()) } else { Err(format!("{status} {value}")) }
        })
        .await
        .unwrap();
    }
    // The edge's connections end with the operator, and those it makes anew meet the new certificate.
    scenario.operator.process.restart().unwrap();
    scenario.operator.wait_until_ready().await.unwrap();
    eventually("an answer of the operator, over the edge", async || {
        let (status, value) = get(&base, "b", &first).await?;
        if (status, value.as_str()) == (200, "two") { Ok(()) } else { Err(format!("{status} {value}")) }
    })
    .await
    .unwrap();
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_with_another_authority_says_what_failed_and_what_to_do() {
    let [first, second] = [(); 2].map(|()| Authority::new().unwrap());
    let (of_operator, other) = (Secret::of("operator-tls-alone", &first), Secret::of("other-tls", &second));
    let served = of_operator.served();
    let scenario = Scenario::start(&[&served[0], &served[1]]).await.unwrap();
    let (origin, admin) = (https(&scenario.operator), format!("127.0.0.1:{}", free_port().unwrap()));
    let binaries = tokio::task::block_in_place(Binaries::build).unwrap();
    let mut edge = Program::new(format!("{}.distrusting", scenario.namespace.name()), binaries.edge_cache)
        .args([
            "--origin",
            &origin,
            "--region",
            "london",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            &admin,
        ])
        .arg(other.flag("origin-ca-file", "ca.crt"))
        .env("NEARKV_AUTH", "off")
        .start()
        .unwrap();
    eventually("the reason in the log", async || {
        let log = edge.log();
        let says = |part: &str| log.contains(part);
        if says("certificate is not trusted") && says("UnknownIssuer") && says("--origin-ca-file") {
            return Ok(());
        }
        Err(log)
    })
    .await
    .unwrap();
    let ready = nearkv_tests::http::client().get(format!("http://{admin}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains(&format!("the first answer of {origin}")));
    assert!(edge.terminate(nearkv_tests::nearkv::STOP_LIMIT).await.unwrap().success());
    scenario.end().await.unwrap();
}
