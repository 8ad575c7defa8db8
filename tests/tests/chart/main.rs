//! The chart without a cluster: what helm makes of every values file below `charts/nearkv/ci`, compared with what is
//! checked in and with Kubernetes' own schemas; and what is generated from it.
//!
//! `NEARKV_BLESS=1 cargo test -p nearkv-tests --test chart` writes all of it anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

mod readme;
mod schemas;

use std::fs;
use std::path::{Path, PathBuf};

use nearkv_tests::cluster::{chart, helm};
use nearkv_tests::tool::Tool;

/// The release that is rendered.
const RELEASE: [&str; 3] = ["nearkv", "--namespace", "nearkv-system"];

/// Compares the file `path` with what it should hold, or writes it.
fn golden(path: &Path, expected: &str) {
    if std::env::var_os("NEARKV_BLESS").is_some() {
        fs::write(path, expected).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    if found != expected {
        let line = found.lines().zip(expected.lines()).position(|(old, new)| old != new);
        panic!(
            "{} is not what the chart makes, from line {} on; NEARKV_BLESS=1 writes it anew\n{expected}",
            path.display(),
            line.map_or("the end".to_owned(), |line| (line + 1).to_string())
        );
    }
}

/// The values files, by name.
fn values() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(chart().join("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

fn name_of(values: &Path) -> String {
    values.file_name().unwrap().to_string_lossy().replace("-values.yaml", "")
}

fn tool() -> Tool {
    tokio::task::block_in_place(helm).unwrap()
}

async fn render(values: &Path) -> String {
    let (chart, values) = (chart().display().to_string(), values.display().to_string());
    let mut arguments = vec!["template"];
    arguments.extend(RELEASE);
    arguments.extend([&chart, "--values", &values, "--kube-version", "1.37.1"]);
    tool().run(&arguments).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_values_file_makes_the_objects_that_are_checked_in() {
    for values in values() {
        let golden_file = chart().join("ci/golden").join(format!("{}.yaml", name_of(&values)));
        golden(&golden_file, &render(&values).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_has_nothing_to_complain_of() {
    for values in values() {
        let (chart, values) = (chart().display().to_string(), values.display().to_string());
        let printed = tool().run(&["lint", "--strict", &chart, "--values", &values]).await.unwrap();
        assert!(!printed.contains("WARNING"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_makes_no_sense_is_refused_with_its_place() {
    let chart = chart().display().to_string();
    for (value, place) in [
        ("regions[0].name=Lon don", "regions"),
        ("edge.cacheSize=much", "cacheSize"),
        ("operator.replica=3", "replica"),
        ("operator.enabled=false", "edge.origin.url"),
        ("edge.image.digest=latest", "digest"),
    ] {
        let error = tool().run(&["template", "nearkv", &chart, "--set", value]).await.unwrap_err();
        assert!(error.to_string().contains(place), "{value}: {error}");
    }
}

#[test]
fn the_charts_crds_are_those_of_the_operator() {
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds");
    let files = fs::read_dir(&generated).unwrap().map(|entry| entry.unwrap().file_name());
    let files: Vec<_> = files.collect();
    assert_eq!(fs::read_dir(chart().join("files/crds")).unwrap().count(), files.len());
    for file in files {
        let content = fs::read_to_string(generated.join(&file)).unwrap();
        golden(&chart().join("files/crds").join(&file), &content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_says_everything_and_only_the_operator_has_a_token() {
    for values in values() {
        for object in render(&values).await.split("\n---\n") {
            let is_role = object.contains("kind: ClusterRole\n") || object.contains("kind: Role\n");
            assert!(!is_role || !object.contains('*'), "{object}");
            if object.contains("automountServiceAccountToken: true") {
                assert!(object.contains("app.kubernetes.io/component: operator"), "{object}");
            }
        }
    }
}

#[test]
fn the_readme_has_every_value() {
    let values = fs::read_to_string(chart().join("values.yaml")).unwrap();
    golden(&chart().join("README.md"), &readme::readme(&values));
}
