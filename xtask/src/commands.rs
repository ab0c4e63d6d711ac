//! [`COMMANDS`]: the table of `cargo xtask` commands, with the cargo commands that each of them
//! runs.

use crate::{
    book, checks, ci, instructions,
    shell::{Failure, Outcome, cargo, has, has_target, need, nightly_cargo, program, root, target_dir},
};
use std::{collections::BTreeSet, env, fs};

/// A command of `cargo xtask`.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn() -> Outcome,
}

impl Command {
    const fn new(name: &'static str, about: &'static str, run: fn() -> Outcome) -> Self {
        Self { name, about, run }
    }

    /// Returns the command of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name == name)
    }
}

/// All commands, in the order of the help text.
pub(crate) const COMMANDS: &[Command] = &[
    Command::new("ci", "all that a change must pass, stopping at the first that does not", ci::run),
    Command::new(
        "test",
        "unit tests, behaviour tests, doc tests, with all features; by nextest if it is installed",
        test,
    ),
    Command::new("fmt", "formatting, checked", fmt),
    Command::new("floors", "modules of nanolith-core import from earlier floors only", checks::floors::run),
    Command::new("length", "no file above 400 lines, no function above 60", checks::length::run),
    Command::new("test-names", "no name of a test above 60 characters", checks::test_names::run),
    Command::new("words", "words that comments, messages and Markdown do without", checks::words::run),
    Command::new("links", "links between the Markdown pages, and to their headings", checks::links::run),
    Command::new("api", "what users can name, held against docs/api.txt", checks::api::run),
    Command::new("clippy", "clippy over every target of every package, warnings denied", clippy),
    Command::new("doc", "the documentation of the libraries, warnings denied", doc),
    Command::new("book", "the book in docs, built and its links checked, if mdBook is installed", book::run),
    Command::new("ui", "what must not compile, and what the compiler says", ui),
    Command::new("features", "the libraries with no feature, each feature and all, checked", features),
    Command::new("feature-pairs", "each pair of the core's features, checked", feature_pairs),
    Command::new("macos", "nanolith-process for macOS, checked if that target is installed", macos),
    Command::new("portable", "also for Windows, its tests on Linux as on macOS (by poll), and under Wine", portable),
    Command::new("tree", "a user's default build stays under 30 crates", tree),
    Command::new("deny", "licences, bans and sources of all dependencies", deny),
    Command::new("instructions", "what a call costs, in instructions, within bounds (valgrind)", instructions::run),
    Command::new(
        "traced",
        "what the feature `tracing` adds to a call without a subscriber (valgrind)",
        instructions::traced,
    ),
    Command::new("loom", "the slot's protocol under loom, every schedule within its bounds", loom),
    Command::new("miri", "the lower floors under miri (nightly, with miri and rust-src)", miri),
    Command::new("tsan", "nanolith-core's tests under ThreadSanitizer (nightly, with rust-src)", tsan),
    Command::new("stress", "services, clusters, messengers and streams for 20 s, while members are killed", stress),
    Command::new("soak", "the soak tests, for NANOLITH_SOAK seconds (60)", soak),
    Command::new("kills", "child processes and their parent, killed at random, NANOLITH_KILLS times (100)", kills),
    Command::new("programs", "random programs over a pool against a model, NANOLITH_STEPS steps (a million)", programs),
    Command::new("sim", "random programs in the simulation, NANOLITH_SIM_SEEDS seeds of each kind (5,000)", sim),
    Command::new("msrv", "the libraries with the oldest Rust, checked if it is installed", msrv),
];

/// The packages that users depend on.
const LIBRARIES: &str = "-p nanolith -p nanolith-core -p nanolith-macros -p nanolith-process";

/// What is tested: all features, and all packages but those that have much to build or run.
const ALL: &str =
    "--workspace --all-features --exclude nanolith-bench --exclude nanolith-instructions --exclude nanolith-ui-tests";

/// A user's default build has fewer crates than this number.
const MAX_CRATES: usize = 30;

const NEXTEST: &str = "nextest run";

fn test() -> Outcome {
    let runner = runner();
    // The runner builds the examples first. So a test that runs one need not build it again.
    let examples = target_dir().join("debug/examples");
    cargo(&format!("{runner} {ALL}")).var("NANOLITH_EXAMPLES", &examples.display().to_string()).run()?;
    if runner == NEXTEST {
        // Nextest does not run doc tests.
        cargo(&format!("test --doc {ALL}")).run()?;
    }
    Ok(())
}

/// Returns the words that run tests. Nextest ends a test that hangs and names it. Cargo's own
/// runner needs no installation.
fn runner() -> &'static str {
    if has("nextest") { NEXTEST } else { "test" }
}

fn fmt() -> Outcome {
    cargo("fmt --all -- --check").run()
}

fn clippy() -> Outcome {
    cargo("clippy --workspace --all-targets --all-features -- -D warnings").run()
}

fn doc() -> Outcome {
    cargo(&format!("doc --no-deps --all-features {LIBRARIES}")).var("RUSTDOCFLAGS", "-D warnings").run()
}

fn ui() -> Outcome {
    cargo("test -p nanolith-ui-tests").run()?;
    // One case tests a feature that is off.
    cargo("test -p nanolith-ui-tests --no-default-features").run()
}

fn features() -> Outcome {
    need("hack")?;
    // This covers the libraries alone: no feature, each feature, and all. `feature-pairs` covers each
    // pair. Tests are linted and run with all features. `default` is empty.
    let packages = "-p nanolith-core -p nanolith -p nanolith-macros -p nanolith-process";
    cargo(&format!("hack --each-feature --exclude-features default clippy {packages} {LINT}")).run()
}

const LINT: &str = "-- -D warnings";

fn feature_pairs() -> Outcome {
    need("hack")?;
    cargo(&format!("hack --feature-powerset --depth 2 --exclude-features full,default clippy -p nanolith-core {LINT}"))
        .run()
}

const MACOS: &str = "aarch64-apple-darwin";
const WINDOWS: &str = "x86_64-pc-windows-msvc";
/// The target whose programs Wine runs.
const WINE: &str = "x86_64-pc-windows-gnu";

/// The target is checked without a linker, so nothing runs.
fn macos() -> Outcome {
    checked_for(MACOS, "")
}

fn checked_for(target: &str, what: &str) -> Outcome {
    if !has_target(target) {
        return Err(Failure::NotHere(format!("not installed: rustup target add {target}")));
    }
    cargo(&format!("clippy -p nanolith-process {what} --target {target} {LINT}")).run()
}

/// What the crate does on macOS is tested on Linux by a configuration that leaves out what Linux alone
/// has. The tests themselves are checked for macOS too. Those for Windows run under Wine.
fn portable() -> Outcome {
    let steps: [fn() -> Outcome; 4] = [
        || checked_for(MACOS, "--all-targets"),
        || checked_for(WINDOWS, "--all-targets"),
        || checked_for(WINE, "--all-targets"),
        wine,
    ];
    for step in steps {
        match step() {
            Err(Failure::NotHere(why)) => println!("skipped: {why}"),
            done => done?,
        }
    }
    let tests = cargo(&format!("{} -p nanolith-process", runner()));
    tests.var("RUSTFLAGS", "--cfg nanolith_poll").target("poll").run()
}

/// Runs the tests for Windows. Wine does not always report a process whose stack overflowed.
fn wine() -> Outcome {
    for (name, version) in [("wine", "--version"), ("x86_64-w64-mingw32-gcc", "--version")] {
        if !program(name, version).succeeds() {
            return Err(Failure::NotHere(format!("`{name}` is not installed")));
        }
    }
    if !has_target(WINE) {
        return Err(Failure::NotHere(format!("not installed: rustup target add {WINE}")));
    }
    cargo(&format!("test -p nanolith-process --lib --tests --target {WINE} -- --skip stack_overflow_is_named"))
        .var("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine")
        .var("WINEDEBUG", "-all")
        .run()
}

fn tree() -> Outcome {
    let listing = cargo("tree -e normal -p nanolith --prefix none").output()?;
    let crates = crates_in(&listing);
    let count = crates.len();
    println!("{count} crates: {}", crates.into_iter().collect::<Vec<_>>().join(", "));
    if count < MAX_CRATES { Ok(()) } else { Err(Failure::Rule(format!("{count} crates, not under {MAX_CRATES}"))) }
}

/// Returns the crates that a `cargo tree` without prefixes lists, each version once.
fn crates_in(listing: &str) -> BTreeSet<String> {
    listing
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .collect()
}

fn deny() -> Outcome {
    need("deny")?;
    cargo("deny check licenses bans sources").run()
}

fn loom() -> Outcome {
    cargo("test --release -p nanolith-core --lib").var("RUSTFLAGS", "--cfg loom").target("loom").run()
}

fn miri() -> Outcome {
    // Rayon fails under stacked borrows, and miri reports its threads as leaks. So miri uses tree
    // borrows, runs the lower floors only and ignores leaks. Tests that count drops find leaks.
    let flags = "-Zmiri-tree-borrows -Zmiri-ignore-leaks";
    nightly_cargo("miri test -p nanolith-core --lib -- call:: sched:: wake:: util::small_value util::static_ref")
        .var("MIRIFLAGS", flags)
        .run()?;
    // Few schedules show a fault when two owners release at once. `NANOLITH_MIRI_SEEDS` sets the
    // number of schedules.
    let seeds = env::var("NANOLITH_MIRI_SEEDS").unwrap_or_else(|_| "64".into());
    nightly_cargo("miri test -p nanolith-core --lib -- call::slot_tests::two_owners")
        .var("MIRIFLAGS", &format!("{flags} -Zmiri-preemption-rate=0.02 -Zmiri-many-seeds=0..{seeds}"))
        .run()
}

fn tsan() -> Outcome {
    // The standard library needs a build with the sanitizer too. Otherwise its locks look like
    // races.
    let built_std = "-Zbuild-std --target x86_64-unknown-linux-gnu";
    nightly_cargo(&format!("test {built_std} -p nanolith-core --lib --tests"))
        .var("RUSTFLAGS", "-Zsanitizer=thread")
        .target("tsan")
        .run()
}

fn soak() -> Outcome {
    let seconds = env::var("NANOLITH_SOAK").unwrap_or_else(|_| "60".into());
    for test in ["soak", "soak_services"] {
        cargo(&format!("test --release --test {test} -- --ignored --nocapture"))
            .var("NANOLITH_SOAK", &seconds)
            .run()?;
    }
    Ok(())
}

/// The shorter half of the soak, for each change.
fn stress() -> Outcome {
    cargo("test --test soak_services -- --ignored --nocapture").var("NANOLITH_SOAK", "20").run()
}

/// The short form is part of `test`.
fn kills() -> Outcome {
    let kills = env::var("NANOLITH_KILLS").unwrap_or_else(|_| "100".into());
    cargo("test --release -p nanolith-process --test child_kills").var("NANOLITH_KILLS", &kills).run()
}

fn programs() -> Outcome {
    cargo("test --release -p nanolith-core --test pool_model -- --ignored --nocapture").run()
}

fn sim() -> Outcome {
    let seeds = env::var("NANOLITH_SIM_SEEDS").unwrap_or_else(|_| "5000".into());
    cargo("test --release --test sim_programs --test sim_scheduling -- --nocapture")
        .var("NANOLITH_SIM_SEEDS", &seeds)
        .run()
}

/// Clippy's `incompatible_msrv` sees what is newer in the standard library, and not what is newer in
/// the language.
fn msrv() -> Outcome {
    let manifest = root().join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .map_err(|source| Failure::NotRun { line: format!("cat {}", manifest.display()), source })?;
    let version = oldest_rust(&text).ok_or_else(|| Failure::Rule("Cargo.toml has no `rust-version`".into()))?;
    if !program("rustup", &format!("run {version} rustc --version")).succeeds() {
        return Err(Failure::NotHere(format!("not installed: rustup toolchain install {version} --profile minimal")));
    }
    let check = format!("run {version} cargo check --all-features {LIBRARIES}");
    program("rustup", &check).target("msrv").run()
}

/// Returns the `rust-version` of a manifest.
fn oldest_rust(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_are_unique() {
        let names: BTreeSet<_> = COMMANDS.iter().map(|command| command.name).collect();
        assert_eq!(names.len(), COMMANDS.len());
    }

    #[test]
    fn oldest_rust_is_that_of_the_manifest() {
        assert_eq!(oldest_rust("edition = \"2024\"\nrust-version = \"1.85\"\n"), Some("1.85"));
        assert_eq!(oldest_rust("edition = \"2024\"\n"), None);
    }

    #[test]
    fn crate_counts_once_for_each_version() {
        let listing = "nanolith v0.1.0 (/here)\nsyn v3.0.9\nquote v1.0.47\nsyn v3.0.9 (*)\nsyn v2.0.1\n\n";
        let crates = crates_in(listing);
        assert_eq!(
            crates.into_iter().collect::<Vec<_>>(),
            ["nanolith v0.1.0", "quote v1.0.47", "syn v2.0.1", "syn v3.0.9"]
        );
    }
}
