//! What the chart makes, against the schemas of Kubernetes' own OpenAPI documents, offline: PyPI's `kubernetes-validate`
//! brings them along.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nearkv_tests::folders::{Build, new_folder};
use nearkv_tests::tool::Tool;

use crate::{name_of, render, values};

/// The validator, with schemas up to the version that its own is named after.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";

/// The versions of Kubernetes that the chart is for.
const VERSIONS: [&str; 5] = ["1.33", "1.34", "1.35", "1.36", "1.37"];

/// Kinds of others, whose schemas are not Kubernetes'.
const FOREIGN: [&str; 3] = ["monitoring.coreos.com/", "nearkv.dev/", "apiextensions.k8s.io/"];

/// The validator's own folder, made once with Python's `venv` and pip.
fn validator() -> PathBuf {
    let folder = Build::of_this_process().unwrap().target.join(VALIDATOR.replace("==", "-"));
    let program = folder.join("bin/kubernetes-validate");
    if !program.is_file() {
        let unfinished = folder.with_extension(std::process::id().to_string());
        for (command, arguments) in [
            ("python3".into(), vec!["-m", "venv", unfinished.to_str().unwrap()]),
            (unfinished.join("bin/python"), vec!["-m", "pip", "install", "--quiet", VALIDATOR]),
        ] {
            let output = Command::new(&command).args(&arguments).stdin(Stdio::null()).output();
            let output = output.unwrap_or_else(|error| panic!("the chart's schemas need Python 3: {error}"));
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{} (Debian: apt-get install python3-venv) {errors}",
                command.display()
            );
        }
        // Its programs name the folder they were installed in, so that it is run through Python instead.
        fs::rename(&unfinished, &folder).unwrap();
    }
    folder.join("bin/python")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_is_valid_in_every_version_of_kubernetes() {
    let python = Tool::new(tokio::task::block_in_place(validator));
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
        let mut arguments = vec!["-m", "kubernetes_validate", "--strict", "--kubernetes-version", version];
        arguments.extend(files.iter().map(String::as_str));
        let printed = python.run(&arguments).await.unwrap();
        assert!(printed.contains("passed"), "{printed}");
    }
}
