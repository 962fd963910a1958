//! The programs that are measured: built when first asked for, so that no figure comes from an older build.

use std::cell::OnceCell;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Fallible;

/// Where the programs are, once they are built.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The folder that cargo builds into.
    target: PathBuf,
    as_built: bool,
    tidegate: OnceCell<PathBuf>,
    rival_handwritten: OnceCell<PathBuf>,
    rival_tuned: OnceCell<PathBuf>,
    policy_allocations: OnceCell<PathBuf>,
}

/// The default release profile, which is what a user's `cargo build --release` has; the workspace changes it.
const DEFAULT_RELEASE: &[&str] = &[
    "--config",
    "profile.rival.inherits='release'",
    "--config",
    "profile.rival.lto=false",
    "--config",
    "profile.rival.codegen-units=16",
    "--config",
    "profile.rival.debug=false",
    "--profile",
    "rival",
];

impl Programs {
    /// Those in the target folder that this program is in. `as_built`: as they are there, without building them.
    pub(crate) fn beside_this_one(as_built: bool) -> Fallible<Self> {
        let this = env::current_exe()?;
        // target/release/tidegate-bench
        let target = this.ancestors().nth(2);
        Ok(Self {
            target: target
                .ok_or("this program is not in a target folder")?
                .to_owned(),
            as_built,
            tidegate: OnceCell::new(),
            rival_handwritten: OnceCell::new(),
            rival_tuned: OnceCell::new(),
            policy_allocations: OnceCell::new(),
        })
    }

    /// The runner.
    pub(crate) fn tidegate(&self) -> Fallible<&Path> {
        once(&self.tidegate, || {
            self.build("tidegate-cli", "tidegate", "release", &["--release"])
        })
    }

    /// The hand-written rival as a user builds it.
    pub(crate) fn rival_handwritten(&self) -> Fallible<&Path> {
        once(&self.rival_handwritten, || {
            self.build(
                "tidegate-bench",
                "rival_handwritten",
                "rival",
                DEFAULT_RELEASE,
            )
        })
    }

    /// The same with the profile and the allocator of the runner.
    pub(crate) fn rival_tuned(&self) -> Fallible<&Path> {
        once(&self.rival_tuned, || {
            self.build("tidegate-bench", "rival_tuned", "release", &["--release"])
        })
    }

    /// Counts what a call takes from the allocator.
    pub(crate) fn policy_allocations(&self) -> Fallible<&Path> {
        once(&self.policy_allocations, || {
            self.build(
                "tidegate-bench",
                "policy_allocations",
                "release",
                &["--release"],
            )
        })
    }

    fn build(
        &self,
        package: &str,
        program: &str,
        folder: &str,
        profile: &[&str],
    ) -> Fallible<PathBuf> {
        let path = self.target.join(folder).join(program);
        if self.as_built {
            return Ok(path);
        }
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--package", package, "--bin", program])
            .args(profile)
            .arg("--target-dir")
            .arg(&self.target)
            .stdin(Stdio::null())
            .status()?;
        if status.success() {
            Ok(path)
        } else {
            Err(format!("building {program} failed: {status}").into())
        }
    }
}

fn once(built: &OnceCell<PathBuf>, build: impl FnOnce() -> Fallible<PathBuf>) -> Fallible<&Path> {
    if let Some(path) = built.get() {
        return Ok(path);
    }
    let path = build()?;
    Ok(built.get_or_init(|| path))
}
