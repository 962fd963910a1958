//! Stacks as they were captured, and the places in the source that they mean.

use std::{
    collections::HashSet,
    env,
    ffi::c_void,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

/// Deeper than any stack of awaits that a reader could use.
const MAX_FRAMES: usize = 128;
/// The folder of this crate: its sources, and beside it those of the core, are nobody's program.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Return addresses, the innermost first. Cheap to take; resolving costs some 100 ms at the first time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stack(Vec<usize>);

impl Stack {
    /// The calling thread's stack from here out to the function at `end`.
    pub(super) fn up_to(end: *const ()) -> Stack {
        let mut frames = Vec::with_capacity(48);
        backtrace::trace(|frame| {
            frames.push(frame.ip() as usize);
            frames.len() < MAX_FRAMES && !std::ptr::eq(frame.symbol_address(), end.cast())
        });
        Stack(frames)
    }

    /// The awaits of the program on this stack, the innermost first. Empty without debug information.
    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for &address in &self.0 {
            // The address is where the call returns to, which may be another line.
            let call = address.saturating_sub(1) as *mut c_void;
            backtrace::resolve(call, |symbol| {
                if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno())
                    && is_program(file)
                {
                    places.push(Place {
                        file: short(file),
                        line,
                        column: symbol.colno().unwrap_or(0),
                    });
                }
            });
        }
        places
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Where a task waits, for comparing; in whatever order it was polled.
#[derive(Clone, Debug)]
pub(super) struct Waits(HashSet<u64>);

impl Waits {
    pub(super) fn new(stacks: &[Stack]) -> Self {
        Waits(stacks.iter().map(Stack::fingerprint).collect())
    }

    /// Not equality: a leaf that already holds the waker of this poll need not register it again.
    pub(super) fn agrees(&self, other: &Waits) -> bool {
        self.0.is_subset(&other.0) || other.0.is_subset(&self.0)
    }
}

/// The innermost place of each stack, each place once; what is captured twice in one poll waits in one place.
pub(super) fn innermost(stacks: &[Stack]) -> Vec<Place> {
    let mut places = Vec::new();
    for stack in stacks {
        if let Some(place) = stack.places().into_iter().next()
            && !places.contains(&place)
        {
            places.push(place);
        }
    }
    places
}

/// Not the standard library, nor a dependency. By the file, as an inlined function need not have its full name.
fn is_program(file: &Path) -> bool {
    let text = file.to_string_lossy();
    let foreign = ["/rustc/", "/registry/src/", "/rustlib/src/"];
    let here = Path::new(HERE);
    let core = here.with_file_name("tidegate").join("src");
    !foreign.iter().any(|part| text.contains(part))
        && !file.starts_with(here.join("src"))
        && !file.starts_with(core)
}

/// Relative to the workspace, as the compiler names files.
fn short(file: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|dir| dir.join("Cargo.lock").exists());
    root.and_then(|root| file.strip_prefix(root).ok())
        .unwrap_or(file)
        .into()
}

/// A place in the source: an await, as a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, relative to the workspace when it lies there.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1; 0 when unknown.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column } = self;
        write!(f, "{}:{line}:{column}", file.display())
    }
}

/// Places in a row; says so when there is none.
pub(super) struct Places<'a>(pub(super) &'a [Place]);

impl fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, place) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" and ")?;
            }
            place.fmt(f)?;
        }
        match self.0 {
            [] => f.write_str("a place without line information"),
            _ => Ok(()),
        }
    }
}
