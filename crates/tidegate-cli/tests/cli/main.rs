//! The program from outside: flow files, local servers, signals; its files, reports and exit codes.

#![expect(
    clippy::disallowed_methods,
    reason = "a program that runs in real time is waited for in real time"
)]

mod commands;
mod dead_letters;
mod faults;
mod held_back;
mod hostile_keys;
mod input_changes;
mod input_lines;
mod kill;
mod limits_of_the_machine;
mod memory;
mod order;
mod outages;
mod reruns;
mod resume;
mod secrets;
#[cfg(unix)]
mod signals;
mod sources;
mod stages;
mod steps;
mod support;
