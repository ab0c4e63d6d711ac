//! Scripts that call a child process of Node.js or Python, one call at a time. Each runs as a process
//! of its own, and prints nanoseconds for each call.

use crate::measure::{Lap, Sample};
use std::process::Command;

/// Messages to a process of Node's `child_process`, and back.
pub(crate) const NODE: (&str, &str) = ("node", include_str!("child_process.mjs"));

/// Calls of Python's `ProcessPoolExecutor`.
pub(crate) const PYTHON: (&str, &str) = ("python3", include_str!("process_pool.py"));

/// Runs a script, if other languages are asked for.
pub(crate) fn sample(lap: &Lap, (program, script): (&str, &str)) -> Result<Sample, String> {
    if !lap.node {
        return Err("only with --node".into());
    }
    let extension = if program == "node" { "mjs" } else { "py" };
    let file = std::env::temp_dir().join(format!("nanolith-bench-{}.{extension}", std::process::id()));
    std::fs::write(&file, script).map_err(|error| error.to_string())?;
    let output = Command::new(program).arg(&file).output().map_err(|_| format!("{program} is not there"));
    std::fs::remove_file(&file).map_err(|error| error.to_string())?;
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.trim().parse().map_err(|_| format!("{program} printed `{}`", text.trim()))?;
    Ok(Sample { figure, ..Sample::default() })
}
