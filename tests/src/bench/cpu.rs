//! What a process costs: its CPU time as the kernel counts it, and the core it is allowed to use.

use std::path::Path;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::{HarnessError, Result};
use crate::process::Program;

/// `USER_HZ`: the unit of `/proc/<id>/stat`, 100 per second on every Linux platform (proc_pid_stat(5)).
const TICKS_PER_SECOND: u64 = 100;
/// `utime` is field 14 of `/proc/<id>/stat`, and so the 12th behind the command's closing parenthesis.
const UTIME_BEHIND_COMMAND: usize = 11;

/// User and system time that a process has used so far, in steps of 10 ms.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let failed = HarnessError::io("read", Path::new(&path));
    let stat = std::fs::read_to_string(&path).map_err(failed)?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 =
        fields.skip(UTIME_BEHIND_COMMAND).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Binds this thread, and what it starts from now on, to one core: the load stays away from what is measured.
pub fn pin_this_thread(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).map_err(|source| HarnessError::Io {
        action: "bind a thread to",
        object: format!("core {core}"),
        source: source.into(),
    })
}

/// The program, on one core only.
pub fn pinned(name: &str, core: usize, executable: &Path) -> Program {
    Program::new(name, "taskset").args(["-c", &core.to_string()]).arg(executable.display().to_string())
}
