//! Starts a program in the workspace's root, prints its command line first, and returns its result.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The result of a command of the table.
pub(crate) type Outcome = Result<(), Failure>;

/// The reason why a step did not pass.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The program ran and returned an error status.
    Refused { line: String, status: String },
    /// The program did not start, or its output could not be read.
    NotRun { line: String, source: io::Error },
    /// Each program ran, and the result breaks a rule of the project.
    Rule(String),
    /// This machine lacks a tool that the command does not install.
    NotHere(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { line, status } => write!(f, "`{line}` ended with {status}"),
            Self::NotRun { line, source } => write!(f, "`{line}` did not run: {source}"),
            Self::Rule(text) | Self::NotHere(text) => f.write_str(text),
        }
    }
}

/// A program, its arguments and its environment.
#[must_use = "nothing runs before `run`, `output` or `succeeds`"]
pub(crate) struct Program {
    name: OsString,
    shown: String,
    vars: String,
    command: Command,
}

/// Creates a `cargo` command with these words, split at spaces. It uses the cargo that started this
/// program.
pub(crate) fn cargo(words: &str) -> Program {
    Program::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), "cargo", words)
}

/// Creates a `cargo` command of the nightly toolchain. It goes through rustup, since the cargo that
/// started this program belongs to one toolchain.
pub(crate) fn nightly_cargo(words: &str) -> Program {
    Program::new("rustup".into(), "rustup", &format!("run nightly cargo {words}"))
}

/// Creates a command for another program, with words that are split at spaces.
pub(crate) fn program(name: impl AsRef<OsStr>, words: &str) -> Program {
    let name = name.as_ref();
    Program::new(name.into(), &name.to_string_lossy(), words)
}

impl Program {
    fn new(name: OsString, shown: &str, words: &str) -> Self {
        let mut command = Command::new(&name);
        command.args(words.split_whitespace()).current_dir(root());
        Self { name, shown: format!("{shown} {words}"), vars: String::new(), command }
    }

    /// Adds one word, which may have spaces in it.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.shown += &format!(" {word}");
        self.command.arg(word);
        self
    }

    /// Sets a variable of the environment, in place of the value in the caller's shell.
    pub(crate) fn var(mut self, key: &str, value: &str) -> Self {
        self.vars += &format!("{key}='{value}' ");
        self.command.env(key, value);
        self
    }

    /// Sets a target directory below the usual one, so that other compiler flags do not replace the
    /// build there.
    pub(crate) fn target(self, below: &str) -> Self {
        self.var("CARGO_TARGET_DIR", &target_dir().join(below).display().to_string())
    }

    /// Runs the command with this program's own input and output.
    pub(crate) fn run(mut self) -> Outcome {
        println!("$ {}", self.line());
        let status = self.command.status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Refused { line: self.line(), status: status.to_string() }),
            Err(source) => Err(self.not_run(source)),
        }
    }

    /// Runs the command and returns its standard output.
    pub(crate) fn output(mut self) -> Result<String, Failure> {
        println!("$ {}", self.line());
        let output = self.command.stderr(Stdio::inherit()).output();
        match output {
            Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Ok(output) => Err(Failure::Refused { line: self.line(), status: output.status.to_string() }),
            Err(source) => Err(self.not_run(source)),
        }
    }

    /// Whether the command runs and succeeds. Prints nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn line(&self) -> String {
        format!("{}{}", self.vars, self.shown)
    }

    fn not_run(&self, source: io::Error) -> Failure {
        Failure::NotRun { line: format!("{} ({})", self.line(), self.name.to_string_lossy()), source }
    }
}

/// Whether `cargo NAME` is installed.
pub(crate) fn has(subcommand: &str) -> bool {
    cargo(&format!("{subcommand} --version")).succeeds()
}

/// Whether the standard library of a target is installed.
pub(crate) fn has_target(target: &str) -> bool {
    let found = program("rustc", &format!("--print target-libdir --target {target}")).output();
    found.is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}

/// Installs `cargo NAME` from its crate if it is missing. The build is unoptimized, which is
/// faster: such a tool mostly waits for the compiler.
pub(crate) fn need(subcommand: &str) -> Outcome {
    if has(subcommand) {
        return Ok(());
    }
    cargo(&format!("install --locked --debug cargo-{subcommand}")).run()
}

/// Returns the directory for cargo's build output.
pub(crate) fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Returns the workspace's root. It comes from cargo's variable for this package, or else from the
/// place where the package was built.
pub(crate) fn root() -> PathBuf {
    let package = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_the_command_and_its_exit() {
        let failure = cargo("no-such-subcommand").var("LC_ALL", "C").run().expect_err("cargo refuses it");
        let text = failure.to_string();
        assert!(text.starts_with("`LC_ALL='C' cargo no-such-subcommand` ended with"), "{text}");
    }

    #[test]
    fn missing_program_is_a_failure() {
        let missing = Program::new("no-such-program".into(), "no-such-program", "");
        assert!(matches!(missing.run(), Err(Failure::NotRun { .. })));
    }

    #[test]
    fn target_is_installed_if_its_library_is() {
        let version = program("rustc", "-vV").output().expect("it runs");
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("it has a host");
        assert!(has_target(host));
        assert!(!has_target("no-such-target"));
    }

    #[test]
    fn root_contains_the_workspace() {
        assert!(root().join("xtask/Cargo.toml").is_file());
    }
}
