//! What is printed to be used elsewhere: completions, bindings, and the manifest for krew.

use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::plugin::{Plugin, repository};

/// Whether the machine has a program.
fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_take_their_completions() {
    let kv = Plugin::start("completions").await;
    for shell in ["bash", "zsh", "fish"] {
        let script = kv.run(&["completion", shell]).await.text();
        assert!(script.contains("kubectl-kv") && script.contains("namespace"), "{shell}");
        let file = kv.file(shell, script);
        if exists(shell) {
            let status = Command::new(shell).args(["-n", &file]).status().unwrap();
            assert!(status.success(), "{shell} does not parse its completions");
        } else {
            assert_ne!(shell, "bash", "bash is needed");
        }
    }
    // As bash calls it when a person presses the tabulator behind `exp`.
    let completed = r#"source ./bash; COMP_WORDS=(kubectl-kv exp); COMP_CWORD=1
        function=$(complete -p kubectl-kv | sed 's/.*-F \([^ ]*\).*/\1/')
        $function kubectl-kv exp kubectl-kv; echo "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["-c", completed]).current_dir(kv.path("")).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "export\n", "{:?}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_itself_completes_the_plugin() {
    let kv = Plugin::start("kubectl-completion").await;
    let script = kv.file("kubectl_complete-kv", kv.run(&["completion", "kubectl"]).await.text());
    let folder = kv.binary.parent().unwrap().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    for (words, completed) in [
        (&["exp"][..], "export\n:4\n"),
        (&["namespace", "r"], "rename\n:4\n"),
        (&["list", "settings", "-o", "y"], "yaml\n:4\n"),
    ] {
        let output = Command::new("bash").arg(&script).args(words).env("PATH", &path).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed, completed, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_environment_and_commands_reach_the_namespace() {
    let kv = Plugin::start("binding").await;
    let env = kv.run(&["binding", "settings", "-o", "env"]).await.text();
    let curl = kv.run(&["binding", "settings", "-o", "curl"]).await.text();
    let get = curl.lines().next().unwrap().replace("KEY", "title").replace("curl", "curl -s");
    let script =
        format!("{env}\n{get}; echo; curl -s \"$SETTINGS_URL/title\"; echo; echo $CLOUDFLARE_ACCOUNT_ID");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Blog\nBlog\ndefault\n");

    let workerd = kv.run(&["binding", "settings", "-o", "workerd", "--binding", "KV"]).await.text();
    let address = kv.dev.origin().strip_prefix("http://").unwrap();
    assert!(workerd.contains(&format!("address = \"{address}\"")), "{workerd}");
    assert!(workerd.contains("(name = \"KV\", kvNamespace = \"kv-default-settings\")"), "{workerd}");
    let id = nearkv::Namespace::new("default", "settings").unwrap().id();
    let wrangler = kv.run(&["binding", "settings", "-o", "wrangler"]).await.text();
    assert!(wrangler.contains(&format!("binding = \"SETTINGS\"\nid = \"{id}\"")), "{wrangler}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_krew_manifest_names_this_version_and_binary_and_is_valid() {
    let folder = nearkv_tests::folders::new_folder("krew").unwrap();
    for platform in ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"] {
        std::fs::create_dir(folder.join(platform)).unwrap();
        std::fs::write(folder.join(platform).join("kubectl-kv"), platform).unwrap();
    }
    let script = repository().join("krew/release.sh");
    let released = Command::new("sh").arg(script).args([&folder, &folder.join("out")]).output().unwrap();
    assert!(released.status.success(), "{released:?}");

    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let template = std::fs::read_to_string(repository().join("krew/kv.yaml")).unwrap();
    let manifest = std::fs::read_to_string(folder.join("out/kv.yaml")).unwrap();
    assert_eq!(template.lines().count(), manifest.lines().count());
    for (text, released) in [(&template, false), (&manifest, true)] {
        let plugin: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(plugin["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
        assert_eq!(
            (plugin["kind"].as_str(), plugin["metadata"]["name"].as_str()),
            (Some("Plugin"), Some("kv"))
        );
        let spec = &plugin["spec"];
        assert_eq!(spec["version"], *version);
        assert!(spec["homepage"].as_str().unwrap().starts_with("https://"));
        let short = spec["shortDescription"].as_str().unwrap();
        assert!(short.len() <= 50 && !short.ends_with('.') && spec["description"].is_string(), "{short}");
        let platforms = spec["platforms"].as_array().unwrap();
        assert_eq!(platforms.len(), 4);
        for platform in platforms {
            assert_eq!(platform["bin"], "kubectl-kv");
            assert_eq!(platform["files"][0]["from"], "kubectl-kv");
            let labels = &platform["selector"]["matchLabels"];
            let archive = format!(
                "kubectl-kv_{}_{}.tar.gz",
                labels["os"].as_str().unwrap(),
                labels["arch"].as_str().unwrap()
            );
            let uri = platform["uri"].as_str().unwrap();
            assert!(uri.contains(&version) && uri.ends_with(&archive), "{uri}");
            let sum = platform["sha256"].as_str().unwrap();
            assert!(sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()), "{sum}");
            if released {
                let packed = std::fs::read(folder.join("out").join(&archive)).unwrap();
                let real: String = Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(sum, real, "{archive}");
            }
        }
    }
}
