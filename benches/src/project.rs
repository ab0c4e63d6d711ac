//! [`Project`]: a small cargo project in a temporary folder, whose builds are timed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// The folder of the nanolith workspace.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The check is not incremental: an incremental check would skip what is unchanged.
const CHECK: &[&str] = &["check", "--offline", "--config", "build.incremental=false"];

/// A package with one program.
pub(crate) struct Project {
    folder: PathBuf,
}

impl Project {
    /// Writes the package and fetches its dependencies. `dependencies` are lines of a manifest, in
    /// which `WORKSPACE` stands for this workspace.
    pub(crate) fn new(name: &str, dependencies: &str, program: &str) -> Result<Self, String> {
        let project = Self { folder: env::temp_dir().join("nanolith-bench-compile").join(name) };
        project.write(dependencies, program).map_err(|error| error.to_string())?;
        project.cargo(&["fetch"]).map_err(|_| "its crates are not there, and cannot be fetched".to_owned())?;
        Ok(project)
    }

    fn write(&self, dependencies: &str, program: &str) -> std::io::Result<()> {
        let dependencies = dependencies.replace("WORKSPACE", WORKSPACE);
        let manifest = format!(
            "[package]\nname = \"hello\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n{dependencies}\n\n[workspace]\n"
        );
        fs::create_dir_all(self.folder.join("src"))?;
        fs::write(self.folder.join("Cargo.toml"), manifest)?;
        fs::write(self.program(), program)
    }

    fn program(&self) -> PathBuf {
        self.folder.join("src/main.rs")
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    /// Builds the package and all its dependencies.
    pub(crate) fn build_clean(&self, release: bool) -> Result<Duration, String> {
        clear(&self.target()).map_err(|error| error.to_string())?;
        let mut arguments = vec!["build", "--offline"];
        arguments.extend(release.then_some("--release"));
        let took = self.timed(&arguments);
        clear(&self.target()).map_err(|error| error.to_string())?;
        took
    }

    /// Checks the program alone, and all of it: its dependencies are checked before. Returns the
    /// quickest time of three, since a disturbance only adds time.
    pub(crate) fn check(&self) -> Result<Duration, String> {
        self.cargo(CHECK)?;
        let checks: Result<Vec<_>, _> = (0..3).map(|_| self.check_again()).collect();
        checks?.into_iter().min().ok_or_else(|| "it was not checked".into())
    }

    fn check_again(&self) -> Result<Duration, String> {
        let written = fs::read(self.program()).and_then(|program| fs::write(self.program(), program));
        written.map_err(|error| error.to_string())?;
        self.timed(CHECK)
    }

    /// Returns the number of crates in its tree, without itself.
    pub(crate) fn crates(&self) -> Result<usize, String> {
        let tree = self.cargo(&["tree", "--offline", "--prefix", "none", "--edges", "normal,build", "--no-dedupe"])?;
        let mut names: Vec<_> = tree.lines().map(|line| line.trim_end_matches(" (proc-macro)")).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names.len().saturating_sub(1))
    }

    fn timed(&self, arguments: &[&str]) -> Result<Duration, String> {
        let began = Instant::now();
        self.cargo(arguments).map(|_| began.elapsed())
    }

    /// Runs cargo and returns its output. The target folder is the project's own, and compiler
    /// wrappers are off.
    fn cargo(&self, arguments: &[&str]) -> Result<String, String> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).current_dir(&self.folder).env("CARGO_TARGET_DIR", self.target());
        cargo.env_remove("RUSTC_WRAPPER").env_remove("RUSTFLAGS");
        let output = cargo.output().map_err(|error| format!("cargo does not run: {error}"))?;
        if output.status.success() {
            return String::from_utf8(output.stdout).map_err(|error| error.to_string());
        }
        let problem = String::from_utf8_lossy(&output.stderr);
        let first = problem.lines().find(|line| line.starts_with("error")).unwrap_or("it does not build").to_owned();
        Err(first)
    }
}

fn clear(folder: &Path) -> std::io::Result<()> {
    if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
}
