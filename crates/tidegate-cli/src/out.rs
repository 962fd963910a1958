//! The one place that prints.
#![expect(clippy::print_stderr, reason = "the command line's output is here")]

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};
use tidegate_runner::flow::Look;

/// Something for people.
pub(crate) fn say(line: impl Display) {
    eprintln!("{line}");
}

/// Why the command ends.
pub(crate) fn error(message: impl Display) {
    eprintln!("error: {message}");
}

/// Data that was asked for. False: nobody reads any more, which is no error.
pub(crate) fn data(bytes: &[u8]) -> bool {
    io::stdout().write_all(bytes).is_ok()
}

/// Whether people look at standard error, and how faults are shown to them.
pub(crate) fn on_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Colours for people who want them, see <https://no-color.org>.
pub(crate) fn look() -> Look {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if on_terminal() && wanted {
        Look::Colored
    } else {
        Look::Plain
    }
}
