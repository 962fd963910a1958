//! Futures that do not say it.

use crate::found;
use tidegate_lint::{Source, undocumented_futures};

#[test]
fn an_async_function() {
    assert_eq!(found("/// Waits.\npub async fn wait() {}"), ["2 wait"]);
    assert_eq!(
        found("pub const X: u8 = 1;\npub async unsafe fn wait() {}"),
        ["2 wait"]
    );
}

#[test]
fn a_function_that_returns_a_future() {
    let text = "pub fn a() -> impl Future<Output = ()> + Send { async {} }
        pub fn b() -> impl Send + std::future::Future<Output = ()> { async {} }
        pub fn c() -> Pin<Box<dyn Future<Output = ()> + Send>> { todo() }
        pub fn d() -> impl IntoFuture<Output = ()> { async {} }
        pub fn e() -> Boxed { todo() }
        pub type Boxed = Pin<Box<dyn Future<Output = ()>>>;";
    assert_eq!(found(text), ["1 a", "2 b", "3 c", "4 d", "5 e"]);
}

#[test]
fn a_method_and_a_function_of_a_trait() {
    let text = "impl<T> Queue<T> {
            pub async fn next(&self) {}
            pub fn all(&self) -> impl Future<Output = ()> { async {} }
        }
        pub trait Ask {
            async fn ask(&self);
            fn tell(&self) -> impl Future<Output = ()>;
            fn name(&self) -> &str;
        }";
    assert_eq!(
        found(text),
        ["2 Queue::next", "3 Queue::all", "6 Ask::ask", "7 Ask::tell"]
    );
}

#[test]
fn a_type_that_is_a_future_and_what_returns_it() {
    let text = "pub struct Wait<T>(T);
        impl<T> Future for Wait<T> {}
        impl<T> Wait<T> { pub fn new() -> Self { todo() } }
        pub fn wait() -> super::Wait<()> { todo() }
        pub enum Or { A }
        impl core::future::IntoFuture for Or {}";
    assert_eq!(found(text), ["1 Wait", "3 Wait::new", "4 wait", "5 Or"]);
}

#[test]
fn a_type_of_another_file() {
    let one = Source::parse(
        "one.rs",
        "impl Future for Wait {}\npub fn a() -> Wait { Wait }",
    );
    let two = Source::parse(
        "two.rs",
        "/// Waits.\n///\n/// # Cancel safety\n///\n/// Nothing.\npub struct Wait;",
    );
    let faults = undocumented_futures(&[one.unwrap(), two.unwrap()]);
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].item.as_str(), faults[0].line), ("a", 2));
}

#[test]
fn a_public_item_in_a_private_module_and_in_a_macro_s_braces() {
    let text = "mod inner { pub async fn a() {} }
        pin_project! {
            pub struct Wait<F> { #[pin] future: F }
        }
        impl<F> Future for Wait<F> {}";
    assert_eq!(found(text), ["1 a", "3 Wait"]);
}

#[test]
fn a_section_that_is_empty_misspelled_or_code() {
    let text = "/// # Cancel safety
        ///
        /// # Errors
        ///
        /// None.
        pub async fn empty() {}
        /// # Cancel Safety
        ///
        /// Nothing is lost.
        pub async fn misspelled() {}
        /// ```
        /// # Cancel safety
        /// let x = 1;
        /// ```
        pub async fn code() {}
        /// As [`empty`](empty#cancel-safety): # Cancel safety
        pub async fn prose() {}";
    assert_eq!(
        found(text),
        ["6 empty", "10 misspelled", "15 code", "17 prose"]
    );
}
