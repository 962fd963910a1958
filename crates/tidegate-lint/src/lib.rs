//! Checks of Tidegate's own sources that rustc and clippy do not make.
//!
//! There is one: whatever future a published crate gives out says what dropping it loses, in a documentation section
//! `# Cancel safety`. Asked of
//!
//! - a public `async fn`, and a public function that returns a future: `impl Future`, a boxed one, or a type of ours
//!   that is one; the functions of a public trait too;
//! - a public type that is a future.
//!
//! The check reads text, it does not resolve names: a type is known by its last path segment, and `pub` in a private
//! module counts as public. Not asked of trait implementations, as the trait has said it, nor of `#[doc(hidden)]`
//! items. What `macro_rules!` writes is not seen.
//!
//! ```
//! use tidegate_lint::{Source, undocumented_futures};
//!
//! let source = Source::parse("src/lib.rs", "/// Waits.\npub async fn wait() {}").unwrap();
//! let faults = undocumented_futures(&[source]);
//! assert_eq!(faults[0].to_string(), "src/lib.rs:2: `wait` is a public future without `# Cancel safety`");
//! ```

#![forbid(unsafe_code)]

mod docs;
mod futures;
mod source;

pub use futures::{Fault, undocumented_futures};
pub use source::{Source, SourceError, published_sources};
