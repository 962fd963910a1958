//! The busy terminal, measured without one. How long keys took is a matter of the machine, so nothing is asserted of it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::Command;

#[test]
fn every_key_of_a_measurement_is_handled() {
    let output = Command::new(env!("CARGO_BIN_EXE_busy-terminal"))
        .args(["--measure", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    let [keys, turns, counts] = &lines[..] else {
        panic!("{said}")
    };
    assert!(keys.starts_with("keys, read to drawn: p50 "), "{keys}");
    assert!(turns.starts_with("loop, due to running: p50 "), "{turns}");
    assert!(counts.starts_with("50 keys, "), "{counts}");
    assert!(matches!(output.status.code(), Some(0 | 1)));
}
