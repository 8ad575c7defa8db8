//! What the chart makes, against the schemas of Kubernetes' own OpenAPI documents, offline: PyPI's `kubernetes-validate`
//! brings them along.

use std::fs;

use nearkv_test_assets::KUBERNETES_VALIDATE;
use nearkv_tests::folders::new_folder;
use nearkv_tests::tool::Tool;

use crate::{name_of, render, values};

/// The versions of Kubernetes that the chart is for.
const VERSIONS: [&str; 5] = ["1.33", "1.34", "1.35", "1.36", "1.37"];

/// Kinds of others, whose schemas are not Kubernetes'.
const FOREIGN: [&str; 3] = ["monitoring.coreos.com/", "nearkv.dev/", "apiextensions.k8s.io/"];

#[tokio::test(flavor = "multi_thread")]
async fn every_object_is_valid_in_every_version_of_kubernetes() {
    let validator = tokio::task::block_in_place(|| KUBERNETES_VALIDATE.program()).unwrap();
    let validator = Tool::new(validator);
    let folder = new_folder("chart").unwrap();
    let mut files = Vec::new();
    for values in values() {
        let rendered = render(&values).await;
        let (objects, foreign): (Vec<&str>, Vec<&str>) = rendered.split("\n---\n").partition(|object| {
            !FOREIGN.iter().any(|group| object.contains(&format!("apiVersion: {group}")))
        });
        assert!(objects.len() > 3 || !foreign.is_empty(), "{rendered}");
        let file = folder.join(format!("{}.yaml", name_of(&values)));
        fs::write(&file, objects.join("\n---\n")).unwrap();
        files.push(file.display().to_string());
    }
    for version in VERSIONS {
        let mut arguments = vec!["--strict", "--kubernetes-version", version];
        arguments.extend(files.iter().map(String::as_str));
        let printed = validator.run(&arguments).await.unwrap();
        assert!(printed.contains("passed"), "{printed}");
    }
}
