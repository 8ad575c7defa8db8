//! One child process of a test: started, waited for, killed, started again.
//!
//! Each is ended by its own handle when it is dropped, also by a panic; the watchdog ends it when
//! this process cannot. What it writes goes to a log file of the run folder.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::error::{HarnessError, Result};
use crate::folders::run_folder;
use crate::watchdog::Watchdog;

/// How often a condition outside this process is looked at: short against every start-up time here.
pub const POLL: Duration = Duration::from_millis(20);

/// How many of the last lines of a log are shown with a failure.
const TAIL_LINES: usize = 30;

/// Waits for one line before it becomes the program: by then the watchdog knows its id. When the
/// test process ends in between, `read` fails and nothing is started.
const START_WHEN_TOLD: &str = r#"read -r _ && exec "$@""#;

/// What to start: a program, its arguments and environment, under a name for its log.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    executable: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

impl Program {
    /// `executable`, its log named after `name` (which should be unique in the test process).
    pub fn new(name: impl Into<String>, executable: impl Into<PathBuf>) -> Program {
        Program {
            name: name.into(),
            executable: executable.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Program {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Program {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Program {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it in this folder, not in that of the test.
    pub fn current_folder(self, folder: PathBuf) -> Program {
        Program { folder: Some(folder), ..self }
    }

    /// Starts it.
    pub fn start(self) -> Result<Process> {
        let log = run_folder()?.join(format!("{}.log", self.name));
        let child = self.spawn(&log)?;
        Ok(Process { program: self, log, child, status: None })
    }

    fn spawn(&self, log: &Path) -> Result<Child> {
        let failed = |source| HarnessError::Io { action: "start", object: self.name.clone(), source };
        let watchdog = Watchdog::of_this_process()?;
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(HarnessError::io("open the log", log))?;
        let errors: File = output.try_clone().map_err(HarnessError::io("open the log", log))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", START_WHEN_TOLD, &self.name])
            .arg(&self.executable)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn().map_err(failed)?;
        watchdog.watch(child.id())?;
        // Taken, so that the pipe is closed here and the program reads an empty standard input.
        if let Some(mut input) = child.stdin.take() {
            input.write_all(b"start\n").map_err(failed)?;
        }
        Ok(child)
    }
}

/// A started [`Program`]. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    program: Program,
    log: PathBuf,
    child: Child,
    status: Option<ExitStatus>,
}

impl Process {
    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written so far, over all its starts.
    pub fn log(&self) -> String {
        // Not UTF-8 where a kill cut a character: shown all the same.
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, where it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait().map_err(self.failed("wait for"))?;
            if self.status.is_some() {
                Watchdog::of_this_process()?.forget(self.child.id())?;
            }
        }
        Ok(self.status)
    }

    /// Waits until `url` answers with a 2xx status.
    pub async fn wait_for_url(&mut self, url: &str, limit: Duration) -> Result<()> {
        let client = crate::http::client();
        self.wait_until(url, limit, async || {
            client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await
    }

    /// Waits until it has written `line`, alone on a line, in any of its starts after byte `from` of its log.
    pub async fn wait_for_line(&mut self, line: &str, from: usize, limit: Duration) -> Result<()> {
        let log = self.log.clone();
        self.wait_until(&format!("line {line:?}"), limit, async || {
            let written = std::fs::read(&log).unwrap_or_default();
            written
                .get(from..)
                .is_some_and(|new| new.split(|byte| *byte == b'\n').any(|l| l == line.as_bytes()))
        })
        .await
    }

    /// Waits until `condition` holds, `limit` at most, and fails at once when the process has ended.
    pub async fn wait_until(
        &mut self,
        awaited: &str,
        limit: Duration,
        mut condition: impl AsyncFnMut() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if condition().await {
                return Ok(());
            }
            if let Some(status) = self.try_wait()? {
                return Err(HarnessError::Ended {
                    name: self.program.name.clone(),
                    status,
                    awaited: awaited.to_owned(),
                    log: self.log.clone(),
                    tail: self.tail(),
                });
            }
            if Instant::now() > deadline {
                return Err(self.timed_out(awaited, limit));
            }
            sleep(POLL).await;
        }
    }

    /// SIGKILL: it gets no chance to do anything more. Returns when it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.try_wait()?.is_none() {
            self.child.kill().map_err(self.failed("kill"))?;
            self.status = Some(self.child.wait().map_err(self.failed("wait for"))?);
            Watchdog::of_this_process()?.forget(self.child.id())?;
        }
        Ok(())
    }

    /// SIGTERM, then waits for its end, `limit` at most.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        let ended = self.wait_for_end(limit).await?;
        ended.ok_or_else(|| self.timed_out("end after SIGTERM", limit))
    }

    /// Waits for its end; `None` when it is still running after `limit`.
    pub async fn wait_for_end(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        while Instant::now() <= deadline {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            sleep(POLL).await;
        }
        Ok(None)
    }

    /// SIGSTOP: it stands still, as in a pause of its machine, until [`Process::resume`].
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on after a [`Process::pause`].
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Starts it again with the same arguments, after [`Process::kill`] or [`Process::terminate`];
    /// its log goes on in the same file. Returns the length of the log before this start.
    pub fn restart(&mut self) -> Result<usize> {
        self.kill()?;
        let before = std::fs::metadata(&self.log).map_or(0, |file| file.len() as usize);
        self.child = self.program.spawn(&self.log)?;
        self.status = None;
        Ok(before)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // A child that was not reaped keeps its id, also when it has ended: the signal cannot reach
        // another process.
        match (self.status, i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)) {
            (None, Some(id)) => kill_process(id, signal).map_err(|error| self.failed("signal")(error.into())),
            _ => Ok(()),
        }
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> HarnessError + use<> {
        let object = self.program.name.clone();
        move |source| HarnessError::Io { action, object, source }
    }

    fn timed_out(&self, awaited: &str, limit: Duration) -> HarnessError {
        HarnessError::TimedOut {
            name: self.program.name.clone(),
            awaited: awaited.to_owned(),
            limit,
            log: self.log.clone(),
            tail: self.tail(),
        }
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        // A process that cannot be killed is the watchdog's to end; a second panic would hide the first.
        if let Err(error) = self.kill() {
            eprintln!("{error:?}");
        }
        if panicking {
            eprintln!("--- {}: the end of {}\n{}", self.program.name, self.log.display(), self.tail());
        }
    }
}
