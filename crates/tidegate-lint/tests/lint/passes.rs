//! Futures that say it, and what is no public future.

use crate::found;
use std::fs;
use tidegate_lint::{Source, undocumented_futures};

#[test]
fn a_future_that_says_it() {
    let text = "/// Waits.
        ///
        /// # Examples
        ///
        /// ```
        /// # fn main() {}
        /// ```
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost.
        ///
        /// # Errors
        ///
        /// None.
        pub async fn wait() {}";
    assert!(found(text).is_empty(), "{:?}", found(text));
}

#[test]
fn a_future_that_says_it_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("wait.md"),
        "# Cancel safety\n\nNothing is lost.\n",
    )
    .unwrap();
    let text = "#[doc = include_str!(\"wait.md\")]\npub async fn wait() {}";
    let source = Source::parse(folder.path().join("lib.rs"), text).unwrap();
    assert_eq!(undocumented_futures(&[source]), []);
}

#[test]
fn a_future_that_is_not_public() {
    let text = "async fn a() {}
        pub(crate) async fn b() {}
        pub(super) fn c() -> impl Future<Output = ()> { async {} }
        impl X { async fn d(&self) {} }
        trait T { async fn e(&self); }
        pub(crate) struct Wait;
        impl Future for Wait {}
        #[cfg(test)]
        mod tests { pub async fn f() {} }
        #[doc(hidden)]
        pub async fn g() {}
        pub fn h() { pub async fn inner() {} }";
    assert!(found(text).is_empty(), "{:?}", found(text));
}

#[test]
fn an_implementation_of_a_trait_that_has_said_it() {
    let text = "impl Ask for X { async fn ask(&self) {} }";
    assert!(found(text).is_empty());
}

#[test]
fn a_function_that_gives_no_future_at_once() {
    let text = "pub fn a(work: impl Future<Output = ()>) {}
        pub fn b() -> Result<Wait, Refused> { todo() }
        pub fn c() -> Vec<u8> { todo() }
        pub fn d() -> Pin<Box<dyn Send>> { todo() }
        /// # Cancel safety
        /// Nothing is lost.
        pub struct Wait;
        impl Future for Wait {}";
    assert!(found(text).is_empty(), "{:?}", found(text));
}
