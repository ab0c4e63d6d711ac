//! [`last_line`]: the line of a process's standard error that says most about its end.

/// Returns the last line that is no advice and no backtrace of the standard library. If there is no such
/// line, returns the last one.
pub(crate) fn last_line(stderr: &str) -> Option<&str> {
    let mut lines = stderr.lines().rev().filter(|line| !line.trim().is_empty());
    lines.clone().find(|line| !is_advice(line) && !is_backtrace(line)).or_else(|| lines.next())
}

/// Returns whether the standard library adds this line to the report of a panic or of an allocation that
/// failed.
fn is_advice(line: &str) -> bool {
    let starts = ["note: run with `RUST_BACKTRACE=", "note: Some details are omitted, run with", "skipping backtrace"];
    starts.iter().any(|start| line.starts_with(start))
}

/// Returns whether a line is the head of a backtrace, a frame in it, or the place of a frame.
fn is_backtrace(line: &str) -> bool {
    let (text, is_indented) = (line.trim_start(), line.starts_with("  "));
    let number = text.split_once(':').map_or("", |(number, _)| number);
    let is_frame = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    line == "stack backtrace:" || (is_indented && (is_frame || text.starts_with("at ")))
}

#[cfg(test)]
mod tests {
    use super::last_line;

    #[test]
    fn last_line_is_no_advice_of_the_standard_library() {
        let failed = "start\nmemory allocation of 8 bytes failed\n";
        for advice in [
            "",
            "\n",
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
            "skipping backtrace printing to avoid potential recursion\n",
            "stack backtrace:\n   0: main::run\n             at ./src/main.rs:1:2\n  10: main\n\
             note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n",
        ] {
            assert_eq!(
                last_line(&format!("{failed}{advice}")),
                Some("memory allocation of 8 bytes failed"),
                "{advice}"
            );
        }
    }

    #[test]
    fn last_line_is_there_if_all_lines_are_advice() {
        assert_eq!(last_line("stack backtrace:\n   0: main\n"), Some("   0: main"));
        assert_eq!(last_line("note: the disk is full\n"), Some("note: the disk is full"));
        assert_eq!(last_line("\n"), None);
    }
}
