//! The programs that are measured: built when asked for, so that no figure comes from an older build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Fallible;

/// The folder that cargo builds into.
#[derive(Debug)]
pub(crate) struct Programs {
    target: PathBuf,
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
    pub(crate) fn beside_this_one() -> Fallible<Self> {
        let this = env::current_exe()?;
        // target/release/tidegate-bench
        let target = this.ancestors().nth(2);
        Ok(Self {
            target: target
                .ok_or("this program is not in a target folder")?
                .to_owned(),
        })
    }

    /// The runner.
    pub(crate) fn tidegate(&self) -> Fallible<PathBuf> {
        self.build("tidegate-cli", "tidegate", "release", &["--release"])
    }

    /// The hand-written rival as a user builds it.
    pub(crate) fn rival_handwritten(&self) -> Fallible<PathBuf> {
        self.build(
            "tidegate-bench",
            "rival_handwritten",
            "rival",
            DEFAULT_RELEASE,
        )
    }

    /// The same with the profile and the allocator of the runner.
    pub(crate) fn rival_tuned(&self) -> Fallible<PathBuf> {
        self.build("tidegate-bench", "rival_tuned", "release", &["--release"])
    }

    fn build(
        &self,
        package: &str,
        program: &str,
        folder: &str,
        profile: &[&str],
    ) -> Fallible<PathBuf> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(workspace)
            .args(["build", "--quiet", "--package", package, "--bin", program])
            .args(profile)
            .arg("--target-dir")
            .arg(&self.target)
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("building {program} failed: {status}").into());
        }
        Ok(self.target.join(folder).join(program))
    }
}
