//! Our own sources.

use std::{fs, path::Path};
use tidegate_lint::{SourceError, published_sources, undocumented_futures};

#[test]
fn every_public_future_says_what_dropping_it_loses() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources = published_sources(&workspace.canonicalize().unwrap()).unwrap();
    assert!(sources.len() > 100, "only {} files found", sources.len());
    let faults: Vec<_> = undocumented_futures(&sources)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn only_crates_with_a_library_that_is_published_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("crates/program/Cargo.toml", "");
    file("crates/program/src/main.rs", "pub async fn wait() {}");
    file("crates/private/Cargo.toml", "publish = false\n");
    file("crates/private/src/lib.rs", "pub async fn wait() {}");
    file("crates/library/Cargo.toml", "");
    file("crates/library/src/lib.rs", "pub mod deep;");
    file("crates/library/src/deep/mod.rs", "pub async fn wait() {}");
    file("crates/library/src/deep/notes.md", "no Rust");
    let faults = undocumented_futures(&published_sources(folder.path()).unwrap());
    assert_eq!(faults.len(), 1);
    assert!(faults[0].path.ends_with("library/src/deep/mod.rs"));
}

#[test]
fn what_is_no_rust_is_a_fault_with_its_line() {
    let error = tidegate_lint::Source::parse("lib.rs", "fn a() {}\nfn {}").unwrap_err();
    assert!(matches!(&error, SourceError::Syntax { line: 2, .. }));
    assert_eq!(error.to_string(), "lib.rs:2: not Rust");
}

#[test]
fn a_workspace_without_crates_is_an_error_not_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    let error = published_sources(folder.path()).unwrap_err();
    assert!(matches!(error, SourceError::Read { .. }));
}
