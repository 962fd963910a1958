//! Random trees of scopes, run by the library and by a model of its documentation: both must see the same.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod generate;
mod library;
mod model;
mod program;
mod seen;

use program::Program;
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, RngAlgorithm, TestRng, TestRunner},
};

/// What differs, if anything.
fn difference(program: &Program) -> Option<String> {
    let library = library::run(program).sorted();
    let model = model::run(program).sorted();
    library.difference(&model)
}

#[test]
fn ten_thousand_trees_of_scopes_do_what_the_documentation_says() {
    let default = ProptestConfig::default();
    let config = ProptestConfig {
        // `PROPTEST_CASES` may ask for more, and for others.
        cases: default.cases.max(10_000),
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..default
    };
    let check = |program: Program| match difference(&program) {
        None => Ok(()),
        Some(text) => Err(TestCaseError::fail(text)),
    };
    // The same ones every time, so that the gate does not depend on luck; other ones when somebody asks for a number.
    let mut runner = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => TestRunner::new(config),
        None => {
            let same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config, same)
        }
    };
    if let Err(error) = runner.run(&generate::program(), check) {
        panic!("{error}");
    }
}
