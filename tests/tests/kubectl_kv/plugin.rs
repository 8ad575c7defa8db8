//! The binary, and the development mode that it talks to.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nearkv_tests::binaries::Binaries;
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Dev;
use nearkv_tests::scenario::kv_namespace;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// A development mode with the KvNamespaces `settings`, which declares `title`, `data` and `copy`.
pub(crate) struct Plugin {
    pub(crate) dev: Dev,
    pub(crate) binary: PathBuf,
    folder: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    /// Its output, where it succeeded.
    pub(crate) fn ok(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    /// Its output as text, where it succeeded.
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.ok()).unwrap()
    }

    /// What it said, where it ended with `code`.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", String::from_utf8_lossy(&self.out), self.err);
        self.err
    }
}

impl Plugin {
    pub(crate) async fn start(name: &str) -> Plugin {
        let folder = new_folder(name).unwrap();
        let manifest = folder.join("manifest.yaml");
        let declared = kv_namespace("settings", "{entries: [{key: title, value: Blog}]}");
        let manifests = [declared, kv_namespace("data", "{}"), kv_namespace("copy", "{}")].join("\n---\n");
        std::fs::write(&manifest, manifests).unwrap();
        let dev = Dev::start(name, &folder.join("data"), &[&manifest], &["london"], &[]).await.unwrap();
        let binary = tokio::task::block_in_place(Binaries::build).unwrap().kubectl_kv;
        Plugin { dev, binary, folder }
    }

    /// A path in the folder of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file in the folder of this test.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    /// The binary, which knows the server and no kubeconfig.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("NEARKV_SERVER", self.dev.origin())
            .env("KUBECONFIG", "/nowhere")
            .env_remove("NEARKV_NAMESPACE")
            .current_dir(&self.folder)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end with an empty standard input.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"").await
    }

    /// Runs it to its end.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        end(self.command(arguments).spawn().unwrap(), input).await
    }

    /// All keys of a KvNamespace.
    pub(crate) async fn keys(&self, name: &str) -> Vec<String> {
        let listed: serde_json::Value =
            serde_json::from_slice(&self.run(&["list", name, "-o", "json"]).await.ok()).unwrap();
        listed.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    }
}

async fn end(mut child: Child, input: &[u8]) -> Ran {
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Who does not read it all has ended, which is seen below.
    let writing = tokio::spawn(async move { stdin.write_all(&input).await });
    let output = child.wait_with_output().await.unwrap();
    let _ = writing.await.unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// All bytes there are, more than once: no UTF-8, and longer than any buffer.
pub(crate) fn binary() -> Vec<u8> {
    (0..=255).cycle().take(300_001).collect()
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
