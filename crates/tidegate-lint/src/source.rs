//! Reading and parsing source files.

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// A parsed source file.
pub struct Source {
    pub(crate) path: PathBuf,
    pub(crate) items: Vec<syn::Item>,
}

impl Source {
    /// Parses `text`, which faults will say is in the file `path`.
    ///
    /// # Errors
    ///
    /// The text is not Rust.
    pub fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Self, SourceError> {
        let path = path.into();
        match syn::parse_file(text) {
            Ok(file) => Ok(Source {
                path,
                items: file.items,
            }),
            Err(error) => Err(SourceError::Syntax {
                line: error.span().start().line,
                path,
                error,
            }),
        }
    }

    fn read(path: PathBuf) -> Result<Self, SourceError> {
        match fs::read_to_string(&path) {
            Ok(text) => Source::parse(path, &text),
            Err(error) => Err(SourceError::Read { path, error }),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Every `src/**/*.rs` of the crates in `workspace/crates` that have a library and may be published, sorted by path.
///
/// # Errors
///
/// A file cannot be read, or is not Rust.
pub fn published_sources(workspace: &Path) -> Result<Vec<Source>, SourceError> {
    let mut files = Vec::new();
    for folder in entries(&workspace.join("crates"))? {
        let manifest = folder.join("Cargo.toml");
        if !folder.join("src/lib.rs").exists() {
            continue;
        }
        let text = fs::read_to_string(&manifest).map_err(|error| SourceError::Read {
            path: manifest,
            error,
        })?;
        if !text.lines().any(|line| line.trim() == "publish = false") {
            rust_files(&folder.join("src"), &mut files)?;
        }
    }
    files.into_iter().map(Source::read).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    for path in entries(folder)? {
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let read = || {
        fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()
    };
    let mut paths = read().map_err(|error| SourceError::Read {
        path: folder.into(),
        error,
    })?;
    paths.sort_unstable();
    Ok(paths)
}

/// Why a source could not be checked.
#[derive(Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// A file or a folder could not be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The text is not Rust.
    Syntax {
        /// Of which file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
        /// What is wrong.
        error: syn::Error,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Read { path, .. } => write!(f, "{} cannot be read", path.display()),
            SourceError::Syntax { path, line, .. } => {
                write!(f, "{}:{line}: not Rust", path.display())
            }
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SourceError::Read { error, .. } => Some(error),
            SourceError::Syntax { error, .. } => Some(error),
        }
    }
}
