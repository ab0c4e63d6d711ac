//! UI tests of `#[define]`: the programs in `ui/pass` must compile, and those in `ui/fail` must
//! not. Beside each failing program is the text of the compiler's errors. Each file is a case.
//!
//! The errors are compared on one toolchain, [`PINNED`]. On any other toolchain, a case must only
//! fail. After an intended change, `TRYBUILD=overwrite cargo test -p nanolith-ui-tests` rewrites
//! the texts. One case needs a cargo feature to be off: `cargo test -p nanolith-ui-tests
//! --no-default-features` runs it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use trybuild::TestCases;

/// The toolchain whose words are beside the cases.
const PINNED: &str = "rustc 1.95.";

/// The misuses have numbers, each with a file or more.
const MISUSES: std::ops::RangeInclusive<u8> = 1..=58;

/// The one about the feature `wire`, which is on for all others.
const WITHOUT_WIRE: &str = "39_";

/// Those that `cargo check` accepts and `cargo build` does not: a function refuses its type parameters.
const BUILT: [&str; 2] = ["58_a_future", "58_a_local_task"];

/// Those about `nanolith-process`, which compiles on Linux only.
const PROCESSES: [&str; 3] = ["55_", "56_", "57_"];

#[test]
#[cfg(feature = "wire")]
fn programs_that_must_compile_compile_and_run() {
    TestCases::new().pass("tests/ui/pass/*.rs");
}

#[test]
fn compile_errors_match_their_snapshots() {
    let cases = cases("rs").into_iter().filter(|case| is_checked(&name(case)) && !is_built(&name(case)));
    if is_pinned() {
        let tests = TestCases::new();
        cases.for_each(|case| tests.compile_fail(case));
    } else {
        must_only_fail("check", &cases.collect::<Vec<_>>());
    }
}

#[test]
fn compile_errors_of_a_build_match_their_snapshots() {
    let cases = cases("rs").into_iter().filter(|case| is_checked(&name(case)) && is_built(&name(case)));
    if is_pinned() {
        let tests = TestCases::new();
        tests.pass("tests/ui/pass/attributes_on_a_task.rs"); // so that the cases are built
        cases.for_each(|case| tests.compile_fail(case));
    } else {
        must_only_fail("build", &cases.collect::<Vec<_>>());
    }
}

#[test]
fn every_misuse_has_its_file() {
    let files = cases("rs");
    for number in MISUSES {
        let prefix = format!("{number:02}_");
        assert!(files.iter().any(|file| name(file).starts_with(&prefix)), "nothing in ui/fail starts with `{prefix}`");
    }
}

#[test]
fn every_case_has_its_snapshot_and_every_snapshot_its_case() {
    assert_eq!(
        cases("rs").iter().map(|file| name(file)).collect::<Vec<_>>(),
        cases("stderr").iter().map(|file| name(file)).collect::<Vec<_>>()
    );
}

#[test]
fn snapshots_contain_no_path_of_a_machine() {
    for file in cases("stderr") {
        let words = fs::read_to_string(&file).expect("it is there");
        for path in ["/home/", "/root/", "/tmp/", "/Users/", ":\\", "registry"] {
            assert!(!words.contains(path), "`{path}` in {}", file.display());
        }
    }
}

/// The files of one kind in `ui/fail`, in order.
fn cases(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/ui/fail").expect("tests run where the package is");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// Whether the case is about the features and the system that this test is built for.
fn is_checked(name: &str) -> bool {
    name.starts_with(WITHOUT_WIRE) != cfg!(feature = "wire")
        && (!PROCESSES.iter().any(|case| name.starts_with(case)) || cfg!(target_os = "linux"))
}

fn is_built(name: &str) -> bool {
    BUILT.iter().any(|case| name.starts_with(case))
}

/// Its name, less the extension.
fn name(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_pinned() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler built this test");
    String::from_utf8_lossy(&version.stdout).starts_with(PINNED)
}

/// Checks each case as a program of a package made for it, whose dependencies compile.
fn must_only_fail(command: &str, cases: &[PathBuf]) {
    let package = package_of(cases);
    for case in cases {
        let name = name(case);
        let check =
            Command::new(env!("CARGO")).args([command, "--quiet", "--bin", &name]).current_dir(&package).output();
        let output = check.expect("cargo runs");
        let words = String::from_utf8_lossy(&output.stderr);
        let is_its_own = words.contains(&format!("could not compile `must-only-fail` (bin \"{name}\")"));
        assert!(!output.status.success() && is_its_own, "{name} must fail, by itself:\n{words}");
    }
}

/// A package with a program for each case. It builds with the versions that this workspace has.
fn package_of(cases: &[PathBuf]) -> PathBuf {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("must-only-fail");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace is around it");
    let features = if cfg!(feature = "wire") { "\"wire\"" } else { "" };
    let mut manifest = format!(
        "[package]\nname = \"must-only-fail\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
            nanolith = {{ path = {root:?}, features = [{features}] }}\n"
    );
    if cfg!(all(feature = "wire", target_os = "linux")) {
        manifest += &format!("nanolith-process = {{ path = {:?} }}\n", root.join("nanolith-process"));
    }
    for case in cases {
        let path = fs::canonicalize(case).expect("it is there");
        manifest += &format!("[[bin]]\nname = {:?}\npath = {path:?}\n", name(case));
    }
    fs::create_dir_all(&package).expect("the target directory can be written");
    fs::write(package.join("Cargo.toml"), manifest).expect("the target directory can be written");
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("the workspace has one");
    package
}
