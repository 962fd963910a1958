//! One folder, its flow file, and the program in it.

use super::Running;
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Where the report of the last run is.
const REPORT: &str = "report.json";

/// A folder of its own with `flow.yaml`; gone when it is dropped.
pub(crate) struct Case {
    folder: TempDir,
    base: String,
    env: Vec<(String, String)>,
}

impl Case {
    /// A folder whose flow calls `base` where it says `$API`.
    pub(crate) fn new(base: &str, flow: &str) -> Case {
        let case = Case {
            folder: tempfile::tempdir().expect("a temporary folder"),
            base: base.to_owned(),
            env: Vec::new(),
        };
        case.flow(flow);
        case
    }

    /// Another flow under the same name.
    pub(crate) fn flow(&self, flow: &str) {
        self.write("flow.yaml", flow.replace("$API", &self.base));
    }

    /// A variable of the program's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Case {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `in.jsonl` with the records `{"id":1}` to `{"id":rows}`.
    pub(crate) fn rows(self, rows: u64) -> Case {
        self.records(1..=rows);
        self
    }

    /// `in.jsonl` with these ids.
    pub(crate) fn records(&self, ids: impl IntoIterator<Item = u64>) {
        let mut text = String::new();
        for id in ids {
            writeln!(text, "{{\"id\":{id}}}").expect("a text takes every line");
        }
        self.write("in.jsonl", text);
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the folder can be written");
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let file = fs::OpenOptions::new().append(true).open(self.path(name));
        let mut file = file.expect("it exists");
        file.write_all(text.as_bytes())
            .expect("the file can be written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("it is text")
    }

    /// Every file below the folder.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, files);
                } else {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files
    }

    /// `tidegate run flow.yaml` with these arguments and a report.
    #[track_caller]
    pub(crate) fn run(&self, more: &[&str]) -> Ended {
        self.start_run(more).ends()
    }

    /// The same, not waited for.
    pub(crate) fn start_run(&self, more: &[&str]) -> Running {
        self.start(
            &[&["run", "flow.yaml", "--report", REPORT], more].concat(),
            b"",
        )
    }

    /// The program with exactly these arguments and nothing on its standard input.
    #[track_caller]
    pub(crate) fn tidegate(&self, args: &[&str]) -> Ended {
        self.start(args, b"").ends()
    }

    /// The program with these arguments and bytes on its standard input.
    #[track_caller]
    pub(crate) fn fed(&self, args: &[&str], stdin: &[u8]) -> Ended {
        self.start(args, stdin).ends()
    }

    /// The same, not waited for.
    pub(crate) fn start(&self, args: &[&str], stdin: &[u8]) -> Running {
        // Streams are files: no pipe can fill up, and a secret in them is found with those in other files.
        let stream = |name: &str| fs::File::create(self.path(name)).expect("a file in the folder");
        self.write("stdin", stdin);
        // A report of an earlier run must not be taken for this one's.
        drop(fs::remove_file(self.path(REPORT)));
        let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("TIDEGATE_STATE")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(fs::File::open(self.path("stdin")).expect("just written"))
            .stdout(Stdio::from(stream("stdout")))
            .stderr(Stdio::from(stream("stderr")))
            .spawn()
            .expect("the program can be started");
        Running::new(child, self.folder.path().to_owned())
    }
}

/// The program after its end.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None: ended by a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    report: Option<Value>,
}

impl Ended {
    pub(super) fn read(folder: &Path, code: Option<i32>) -> Ended {
        let text = |name: &str| {
            String::from_utf8(fs::read(folder.join(name)).expect("a stream's file"))
                .expect("it prints text")
        };
        let report = fs::read(folder.join(REPORT))
            .ok()
            .map(|bytes| serde_json::from_slice(&bytes).expect("a report is JSON"));
        Ended {
            code,
            stdout: text("stdout"),
            stderr: text("stderr"),
            report,
        }
    }

    /// Fails with all that was printed unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        if let Some(report) = &self.report {
            assert_eq!(report["exit"], code, "the report agrees with the exit code");
            let parts = ["done", "dead", "skipped", "pending"].map(|name| self.count(name));
            assert_eq!(
                self.count("read"),
                parts.iter().sum::<u64>(),
                "the report adds up: {report}"
            );
        }
        self
    }

    /// A number of the report: `done`, or `services.api.requests`.
    #[track_caller]
    pub(crate) fn count(&self, path: &str) -> u64 {
        self.report(path)
            .as_u64()
            .unwrap_or_else(|| panic!("`{path}` is no number"))
    }

    /// A value of the report.
    #[track_caller]
    pub(crate) fn report(&self, path: &str) -> Value {
        let Some(report) = &self.report else {
            panic!("there is no report:\n{}", self.stderr);
        };
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = report.pointer(&pointer);
        value
            .unwrap_or_else(|| panic!("no `{path}` in {report}"))
            .clone()
    }

    /// `done`, `dead`, `skipped` and `pending`.
    #[track_caller]
    pub(crate) fn counts(&self) -> [u64; 4] {
        ["done", "dead", "skipped", "pending"].map(|name| self.count(name))
    }

    /// Fails unless standard error says so.
    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Ended {
        assert!(
            self.stderr.contains(what),
            "`{what}` is not in:\n{}",
            self.stderr
        );
        self
    }

    /// Fails if standard error says so.
    #[track_caller]
    pub(crate) fn does_not_say(self, what: &str) -> Ended {
        assert!(
            !self.stderr.contains(what),
            "`{what}` is in:\n{}",
            self.stderr
        );
        self
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        super::json_lines(self.stdout.as_bytes())
    }
}
