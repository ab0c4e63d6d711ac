//! Names the machine and the commit that produced the figures, and pins the process to some of the
//! machine's cores.

use crate::peers::cores;
use std::{fs, process::Command};

/// Pins the calling thread, and the threads and processes that it starts from now on, to `count` of
/// the cores that it may use.
#[cfg(target_os = "linux")]
pub(crate) fn pin(count: usize) -> Result<(), String> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None).map_err(|error| format!("the cores are unknown: {error}"))?;
    let mut some = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).take(count).for_each(|core| some.set(core));
    if (some.count() as usize) < count {
        return Err(format!("`--cores {count}` asks for more cores than there are"));
    }
    sched_setaffinity(None, &some).map_err(|error| format!("the process cannot be pinned: {error}"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_: usize) -> Result<(), String> {
    Err("`--cores` works on Linux only".into())
}

/// Returns `AMD EPYC, 2 cores, commit 1a2b3c4`.
pub(crate) fn line() -> String {
    format!("{}, {} cores, commit {}", cpu(), cores(), commit())
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn commit() -> String {
    let mut git = Command::new("git");
    let output = git.args(["rev-parse", "--short", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok();
    let text = output.filter(|output| output.status.success()).and_then(|output| String::from_utf8(output.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn pinned_thread_and_its_children_see_one_core() {
        let seen = thread::spawn(|| {
            pin(1).expect("one core is there");
            (cores(), thread::spawn(cores).join().expect("it ends"))
        });
        assert_eq!(seen.join().expect("it ends"), (1, 1));
    }

    #[test]
    fn more_cores_than_there_are_is_an_error() {
        assert!(pin(100_000).is_err_and(|problem| problem.contains("more cores")));
    }
}
