//! What goes in and comes out.

use crate::support::*;
use std::io::ErrorKind;
use tidegate_process::{Command, ProcessError};

#[tokio::test]
async fn both_outputs_and_the_status_are_there() {
    let output = sh("echo out; echo err >&2; exit 3").run().await.unwrap();
    assert_eq!(output.stdout.bytes, b"out\n");
    assert_eq!(output.stderr.text(), "err\n");
    assert!(!output.stdout.truncated && !output.stderr.truncated);
    assert_eq!((output.code(), output.signal()), (Some(3), None));
    assert!(!output.success());
}

#[tokio::test]
async fn a_signal_that_ended_it_is_in_the_output() {
    let output = sh("kill -9 $$").run().await.unwrap();
    assert_eq!((output.code(), output.signal()), (None, Some(9)));
}

#[tokio::test]
async fn input_larger_than_any_pipe_goes_in_while_output_comes_out() {
    let input = vec![b'x'; 1_000_000];
    let output = Command::new("cat")
        .stdin(input.clone())
        .run()
        .await
        .unwrap();
    assert_eq!(output.stdout.bytes, input);
}

#[tokio::test]
async fn input_that_nobody_reads_is_no_failure() {
    let output = sh("exit 0").stdin(vec![0; 1_000_000]).run().await.unwrap();
    assert!(output.success());
}

#[tokio::test]
async fn without_input_there_is_nothing_to_read() {
    let output = Command::new("cat").run().await.unwrap();
    assert!(output.success());
    assert_eq!(output.stdout.bytes, b"");
}

#[tokio::test]
async fn output_beyond_the_limit_is_dropped_and_holds_nobody_up() {
    let output = Command::new("head")
        .args(["-c", "1000000", "/dev/zero"])
        .output_limit(1000)
        .run()
        .await
        .unwrap();
    assert!(output.success());
    assert_eq!(output.stdout.bytes.len(), 1000);
    assert!(output.stdout.truncated);
    assert!(!output.stderr.truncated);
}

#[tokio::test]
async fn output_of_just_the_limit_is_whole() {
    let output = sh("printf 12345").output_limit(5).run().await.unwrap();
    assert_eq!(output.stdout.text(), "12345");
    assert!(!output.stdout.truncated);
}

#[tokio::test]
async fn arguments_environment_and_directory_arrive_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("/bin/sh")
        .args(["-c", r#"printf '%s|' "$@" "$WORD" "$HOME"; pwd -P"#, "sh"])
        .args(["a b", "$HOME", "*"])
        .env_clear()
        .env("WORD", "a word")
        .current_dir(dir.path())
        .run()
        .await
        .unwrap();
    let here = dir.path().canonicalize().unwrap();
    assert_eq!(
        output.stdout.text(),
        format!("a b|$HOME|*|a word||{}\n", here.display())
    );
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Command::new("no-such-program").run().await.unwrap_err();
    let ProcessError::Start { program, source } = &error else {
        panic!("{error}")
    };
    assert_eq!(program, "no-such-program");
    assert_eq!(source.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), r#"cannot start "no-such-program""#);
}

#[tokio::test]
async fn a_command_shows_neither_arguments_nor_environment() {
    let command = Command::new("login").arg("hunter2").env("KEY", "hunter3");
    let shown = format!("{command:?}");
    assert!(
        shown.contains("login") && !shown.contains("hunter"),
        "{shown}"
    );
}
