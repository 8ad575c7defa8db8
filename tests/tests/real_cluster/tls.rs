//! TLS on every hop, from Secrets in cert-manager's layout: towards clients, from edge to origin, and through the
//! port-forward of `kubectl kv`.

use std::fmt::Write;

use nearkv_tests::authority::Authority;
use nearkv_tests::cluster::chart;

use crate::release::{REGIONS, Release, SYSTEM};

pub(crate) async fn every_hop_speaks_tls(release: &Release<'_>) {
    let authority = Authority::new().unwrap();
    let mut edges = vec![format!("nearkv-edge.{SYSTEM}.svc")];
    edges.extend(REGIONS.map(|region| format!("nearkv-edge-{region}.{SYSTEM}.svc")));
    let secrets = [
        secret(&authority, "operator-tls", &[format!("nearkv-operator.{SYSTEM}.svc")]),
        secret(&authority, "edge-tls", &edges),
    ];
    release.cluster.kubectl().apply(SYSTEM, &secrets.concat()).await.unwrap();
    let values = chart().join("ci/tls-values.yaml").display().to_string();
    release.helm("upgrade", &["--values", &values]).await;
    release.test().await;
    let (edges, url) = (release.settings("nearkv-edge").await, release.url("nearkv-edge").await);
    assert!(edges.get("site_title").await.is_err(), "{url} is plain");

    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusted.path(), authority.certificate()).unwrap();
    let trusted_path = trusted.path().display().to_string();
    let plugin = release.plugin().await.env("NEARKV_CERTIFICATE_AUTHORITY", trusted_path);
    let edges = format!("{SYSTEM}/nearkv-edge");
    for service in [&[][..], &["--service", &edges]] {
        let get = [&["get", "settings", "site_title"], service].concat();
        assert_eq!(plugin.run(&get).await.unwrap(), "My Awesome Blog");
    }
}

/// As cert-manager makes it.
fn secret(authority: &Authority, name: &str, names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let certificate = authority.issue(&names).unwrap();
    let mut text = format!(
        "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: {name}}}\nstringData:\n"
    );
    for (key, pem) in [
        ("tls.crt", certificate.certificate),
        ("tls.key", certificate.key),
        ("ca.crt", authority.certificate()),
    ] {
        writeln!(text, "  {key}: {}", serde_json::Value::from(pem)).unwrap();
    }
    text
}
