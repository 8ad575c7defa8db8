//! The README's second command, `tests/all.sh`, in a copy of the repository's outline whose programs are fakes: what it
//! does where something is missing or fails, in seconds. Also that CI runs this command and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the script itself is made of, besides bash.
const UTILITIES: [&str; 19] = [
    "awk", "bash", "cat", "chmod", "cut", "dirname", "env", "grep", "head", "id", "mkdir", "nice", "paste",
    "rm", "sed", "sh", "sort", "tr", "touch",
];

/// Notes each call. Of its three test targets `a` passes, `b` fails, and `c` ends without having run a test.
const CARGO: &str = r#"
echo "cargo $*" >>calls
target() { printf '{"kind":["test"],"crate_types":["bin"],"name":"%s","src_path":"%s"},' "$1" "$PWD/$2/$1.rs"; }
case $* in
  metadata*) target a kv/tests; target b tests/tests; target c tests/tests; echo "\"target_directory\":\"$PWD/target\"" ;;
  *nearkv-test-assets*)
    mkdir -p target/debug
    printf '#!/bin/sh\necho "assets $*" >>calls\n' >target/debug/nearkv-test-assets
    chmod +x target/debug/nearkv-test-assets ;;
  *--no-run*) ;;
  *"--test b") echo 'the reason'; echo 'test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured'; exit 101 ;;
  *"--test c") ;;
  *--lib*) printf 'test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured\n%.0s' 1 2 ;;
  *"--test a" | *--doc) echo 'test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured' ;;
esac
"#;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with the script, and one with all programs that it finds.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "tests/all", "tests/node"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        for entry in fs::read_dir(repository().join("tests/all")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), machine.path("tests/all").join(entry.file_name())).unwrap();
        }
        for file in ["Cargo.toml", "tests/all.sh", "tests/node/check.sh"] {
            fs::copy(repository().join(file), machine.path(file)).unwrap();
        }
        for utility in UTILITIES {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(utility));
            let found = found.iter().find(|path| path.is_file()).unwrap();
            symlink(found, machine.path("bin").join(utility)).unwrap();
        }
        machine
            .with("cargo", CARGO)
            .with("rustc", "echo 'rustc 1.95.0 (f2d3ce0bd 2026-03-21)'")
            .with("go", "echo go version go1.26.8 linux/amd64")
            .with("node", "echo v20.20.2")
            .with("npm", "")
            .with("python3", "")
            .with("cc", "")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(self, program: &str, script: &str) -> Machine {
        let path = self.path("bin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn without(self, program: &str) -> Machine {
        fs::remove_file(self.path("bin").join(program)).unwrap();
        self
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let output = Command::new(self.path("bin/bash"))
            .arg(self.path("tests/all.sh"))
            .args(arguments)
            .env_clear()
            .env("PATH", self.path("bin"))
            .output()
            .unwrap();
        Run { output, calls: fs::read_to_string(self.path("calls")).unwrap_or_default() }
    }
}

struct Run {
    output: Output,
    /// Of the fakes, a line each.
    calls: String,
}

impl Run {
    fn printed(&self) -> String {
        let (out, err) = (&self.output.stdout, &self.output.stderr);
        format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
    }

    #[track_caller]
    fn stopped_before_it_compiled(&self, because: &[&str]) {
        let lines: Vec<String> = because.iter().map(|line| format!("tests/all.sh: {line}\n")).collect();
        assert_eq!(self.printed(), lines.concat());
        assert_eq!(self.output.status.code(), Some(2));
        assert!(!self.calls.contains("build") && !self.calls.contains("test"), "{}", self.calls);
    }
}

#[test]
fn a_failed_suite_is_followed_by_the_others_and_the_summary_counts_them_all() {
    let machine = Machine::new();
    let run = machine.run(&["--only", "b", "a", "c", "unit", "doc", "formatting"]);
    let printed = run.printed();
    assert_eq!(run.output.status.code(), Some(1), "{printed}");
    for (start, end) in [
        ("ok    formatting, ", " s"),
        ("ok    compile, ", " s"),
        ("ok    unit, ", " s, 20 passed, 0 failed"),
        ("FAIL  b, ", " s, 1 passed, 2 failed"),
        ("      | the reason", ""),
        ("FAIL  c, ", " s"),
        ("c, ", &format!(" s: failed (no-tests), see {}", machine.path("target/all/c.log").display())),
        ("test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured", ""),
    ] {
        let is_there = printed.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(is_there, "no line {start:?} … {end:?} in\n{printed}");
    }
    assert_eq!(printed.lines().last(), Some("29 passed, 3 failed, 3 skipped"), "{printed}");
    assert!(run.calls.contains("\nassets control-plane\n"), "{}", run.calls);
}

#[test]
fn without_a_failure_the_exit_status_is_0() {
    let run = Machine::new().run(&["--only", "a", "formatting"]);
    assert_eq!(run.output.status.code(), Some(0), "{}", run.printed());
    assert_eq!(run.printed().lines().last(), Some("4 passed, 0 failed"));
    assert!(!run.calls.contains("assets"), "nothing is built for these: {}", run.calls);
}

#[test]
fn a_failed_check_counts_and_a_failed_compilation_leaves_no_suite_to_run() {
    let machine = Machine::new().with("cargo", &format!("case $* in fmt*check) exit 1 ;; esac{CARGO}"));
    let run = machine.run(&["--only", "a", "formatting"]);
    assert_eq!(run.printed().lines().last(), Some("4 passed, 1 failed"), "{}", run.printed());
    assert_eq!(run.output.status.code(), Some(1));

    let machine = Machine::new().with("cargo", &format!("case $* in *no-run*) exit 101 ;; esac{CARGO}"));
    let run = machine.run(&["--only", "a", "formatting"]);
    assert_eq!(run.printed().lines().last(), Some("0 passed, 1 failed"), "{}", run.printed());
    assert_eq!(run.output.status.code(), Some(1));
}

#[test]
fn everything_that_is_missing_is_printed_before_anything_is_compiled() {
    let machine = Machine::new().with("go", "echo go version go1.25.1 linux/amd64").without("cc");
    machine.run(&["--only", "b", "unit", "dependencies"]).stopped_before_it_compiled(&[
        "install Go 1.26 or newer: https://go.dev/dl",
        "install these packages (Debian's names): gcc libc6-dev",
    ]);
    machine.without("rustc").run(&[]).stopped_before_it_compiled(&[
        "install Rust 1.95 or newer with rustfmt and clippy: rustup, https://rustup.rs",
    ]);
}

#[test]
fn missing_debian_packages_are_installed_once_by_root_and_named_to_others() {
    let install = r#"echo "apt-get $*" >>calls; if [ $1 = install ]; then echo >bin/cc; chmod +x bin/cc; fi"#;
    let machine = Machine::new().without("cc").with("apt-get", install);
    if !rustix::process::geteuid().is_root() {
        let run = machine.run(&["--only", "formatting"]);
        return run.stopped_before_it_compiled(&["install as root: apt-get install gcc libc6-dev"]);
    }
    for _ in 0..2 {
        let run = machine.run(&["--only", "formatting"]);
        assert_eq!(run.output.status.code(), Some(0), "{}", run.printed());
        assert_eq!(run.calls.matches("apt-get install").count(), 1, "{}", run.calls);
    }
    let machine = Machine::new().without("cc").with("apt-get", "echo no network; exit 100");
    machine.run(&["--only", "formatting"]).stopped_before_it_compiled(&[
        "installing Debian packages, once: gcc libc6-dev",
        "no network",
        "apt-get failed; this has to succeed: apt-get install gcc libc6-dev",
    ]);
}

#[test]
fn ci_runs_the_readmes_second_command_and_nothing_that_installs_beside_it() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let command = readme.split("```sh\n").nth(2).unwrap().lines().next().unwrap();
    let script = fs::read_to_string(repository().join(".ci/run")).unwrap();
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["set -euo pipefail", r#"cd "$(dirname "$0")/..""#, command]);
    assert_eq!(command, "bash tests/all.sh");
}
