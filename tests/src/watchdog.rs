//! Ends what a test process leaves behind, also when that process is killed.
//!
//! One `sh` per test process holds the reading end of a pipe and the ids of all processes started
//! here. The kernel closes the pipe however the test process ends; then the watchdog kills what is
//! still there and removes the run folder. A child is started only after its id is known here
//! (see [`crate::process`]), and is taken off the list after it was reaped, so an id never names
//! somebody else's process.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::{HarnessError, Result};
use crate::folders::run_folder;

/// Reads `watch PID`, `forget PID` and `keep` until the pipe ends. Signals meant for the test's
/// process group do not reach it, so that Ctrl-C ends the tests and not their watchdog. Killed
/// processes get two seconds to disappear before their folder is removed under them.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
watched=' '
keep=
while read -r verb id; do
  case $verb in
    watch) watched="$watched$id " ;;
    forget) watched="${watched%% $id *} ${watched#* $id }" ;;
    keep) keep=yes ;;
  esac
done
for id in $watched; do kill -9 "$id"; done
for id in $watched; do
  tries=40
  while [ $tries -gt 0 ] && kill -0 "$id"; do sleep 0.05; tries=$((tries - 1)); done
done
[ -n "$keep" ] || rm -rf "$1"
"#;

/// The watchdog of this test process.
pub(crate) struct Watchdog {
    /// Held for its pipe; it is never ended from here, only by the end of this process.
    shell: Mutex<Child>,
}

impl Watchdog {
    /// The one of this process, started on first use.
    pub(crate) fn of_this_process() -> Result<&'static Watchdog> {
        static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _starting = lock(&STARTING);
        if let Some(watchdog) = WATCHDOG.get() {
            return Ok(watchdog);
        }
        let watchdog = Watchdog::start(run_folder()?)?;
        let watchdog = WATCHDOG.get_or_init(|| watchdog);
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic);
            if watchdog.keep_folder().is_ok()
                && let Ok(folder) = run_folder()
            {
                eprintln!("the logs of this run are kept in {}", folder.display());
            }
        }));
        Ok(watchdog)
    }

    fn start(folder: &Path) -> Result<Watchdog> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| HarnessError::Io {
                action: "start",
                object: "the watchdog".to_owned(),
                source,
            })?;
        Ok(Watchdog { shell: Mutex::new(shell) })
    }

    pub(crate) fn watch(&self, id: u32) -> Result<()> {
        self.say(&format!("watch {id}\n"))
    }

    pub(crate) fn forget(&self, id: u32) -> Result<()> {
        self.say(&format!("forget {id}\n"))
    }

    pub(crate) fn keep_folder(&self) -> Result<()> {
        self.say("keep\n")
    }

    fn say(&self, line: &str) -> Result<()> {
        let mut shell = lock(&self.shell);
        let written = match &mut shell.stdin {
            // One write of less than PIPE_BUF bytes: never torn.
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Ok(()),
        };
        written.map_err(|source| HarnessError::Io {
            action: "write to",
            object: "the watchdog, which has ended".to_owned(),
            source,
        })
    }
}

/// A panic elsewhere leaves nothing half-done in what these locks guard.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
