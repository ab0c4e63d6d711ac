//! The names of the signals and exceptions that end a process.

/// The exit code of a process of Windows whose stack overflowed.
pub(crate) const STACK_OVERFLOW: i32 = 0xC000_00FD_u32 as i32;
/// The exit code of a process of Windows that aborted.
pub(crate) const ABORT: i32 = 0xC000_0409_u32 as i32;

/// Returns the name of an exception that ends a process of Windows. Its number is the exit code there.
/// Elsewhere no exit code is negative.
pub(crate) fn exception_name(code: i32) -> Option<&'static str> {
    match code as u32 {
        0xC000_0005 => Some("access violation"),
        0xC000_0006 => Some("a page could not be read"),
        0xC000_0017 => Some("no memory"),
        0xC000_001D => Some("illegal instruction"),
        0xC000_0025 => Some("an exception that cannot continue"),
        0xC000_008C => Some("array bounds exceeded"),
        0xC000_0094 => Some("integer division by zero"),
        0xC000_0095 => Some("integer overflow"),
        0xC000_0096 => Some("privileged instruction"),
        0xC000_00FD => Some("stack overflow"),
        0xC000_013A => Some("Ctrl-C"),
        0xC000_0142 => Some("a library failed to start"),
        0xC000_0374 => Some("heap corruption"),
        0xC000_0409 => Some("abort"),
        0x8000_0003 => Some("breakpoint"),
        0xC000_0000.. => Some("unnamed"),
        _ => None,
    }
}

/// Returns the name of a signal. The numbers of these are the same on all supported systems that have signals.
pub(crate) fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        _ => "unnamed",
    }
}
