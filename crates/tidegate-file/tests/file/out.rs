use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use tempfile::TempDir;
use tidegate_file::{
    Input, Item, JsonlReader, LastChunk, Opening, OutError, OutFile, Start, Sync, rotate,
};

const NEW: Opening<'_> = Opening::New { append: false };

fn resume(len: u64) -> Opening<'static> {
    Opening::Resume {
        len,
        last: None,
        clean: false,
    }
}

fn folder_with(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn unzip(path: &Path) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn what_was_not_committed_is_cut_off() {
    let (_folder, path) = folder_with("out.jsonl", b"");
    let mut out = OutFile::open(&path, NEW).unwrap();
    assert!(out.is_blank() && out.is_resumable());
    out.write(b"1\n").unwrap();
    assert!(!out.is_blank());
    assert_eq!(out.commit(Sync::Data).unwrap(), 2);
    assert_eq!(out.commit(Sync::Data).unwrap(), 2);
    // More than is buffered, so that it reaches the file without a commit.
    out.write(&vec![b'x'; 3 << 20]).unwrap();
    drop(out);
    assert!(fs::metadata(&path).unwrap().len() > 2);

    let mut out = OutFile::open(&path, resume(2)).unwrap();
    out.write(b"2\n").unwrap();
    assert_eq!(out.commit(Sync::None).unwrap(), 4);
    assert_eq!(fs::read(&path).unwrap(), b"1\n2\n");
}

#[test]
fn a_new_run_does_not_touch_a_file_that_holds_something() {
    let (_folder, path) = folder_with("out.jsonl", b"precious");
    let error = OutFile::open(&path, NEW).unwrap_err();
    assert!(
        matches!(error, OutError::NotEmpty { len: 8, .. }),
        "{error:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn appending_ends_a_torn_last_line() {
    for (before, after) in [("1", "1\n2\n"), ("1\n", "1\n2\n"), ("", "2\n")] {
        let (_folder, path) = folder_with("out.jsonl", before.as_bytes());
        let mut out = OutFile::open(&path, Opening::New { append: true }).unwrap();
        out.write(b"2\n").unwrap();
        assert_eq!(out.commit(Sync::None).unwrap(), after.len() as u64);
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }
}

#[test]
fn a_file_that_is_gone_or_shorter_is_refused() {
    let (folder, path) = folder_with("out.jsonl", b"1\n");
    let error = OutFile::open(&path, resume(4)).unwrap_err();
    assert!(
        matches!(
            error,
            OutError::Shorter {
                len: 4,
                found: 2,
                ..
            }
        ),
        "{error:?}"
    );
    let gone = folder.path().join("gone.jsonl");
    let error = OutFile::open(&gone, resume(4)).unwrap_err();
    assert!(matches!(error, OutError::Gone { len: 4, .. }), "{error:?}");
    assert!(!gone.exists());
    assert_eq!(OutFile::open(&gone, resume(0)).unwrap().len(), 0);
}

#[test]
fn a_file_that_someone_else_wrote_to_is_not_cut() {
    let (_folder, path) = folder_with("out.jsonl", b"1\n2\n3\n");
    let clean = Opening::Resume {
        len: 4,
        last: None,
        clean: true,
    };
    assert!(matches!(
        OutFile::open(&path, clean).unwrap_err(),
        OutError::Changed { .. }
    ));
    let other = LastChunk {
        from: 2,
        is_same: &|bytes| bytes == b"9\n",
    };
    let changed = Opening::Resume {
        len: 4,
        last: Some(other),
        clean: false,
    };
    assert!(matches!(
        OutFile::open(&path, changed).unwrap_err(),
        OutError::Changed { .. }
    ));
    assert_eq!(fs::read(&path).unwrap(), b"1\n2\n3\n");

    let same = LastChunk {
        from: 2,
        is_same: &|bytes| bytes == b"2\n",
    };
    let out = OutFile::open(
        &path,
        Opening::Resume {
            len: 4,
            last: Some(same),
            clean: false,
        },
    )
    .unwrap();
    assert_eq!(out.len(), 4);
    assert_eq!(fs::read(&path).unwrap(), b"1\n2\n");
}

#[test]
fn a_gzip_file_can_be_cut_at_every_commit() {
    let (_folder, path) = folder_with("out.jsonl.gz", b"");
    let mut out = OutFile::open(&path, NEW).unwrap();
    out.write(b"1\n").unwrap();
    let first = out.commit(Sync::None).unwrap();
    out.write(b"2\n").unwrap();
    out.write(b"3\n").unwrap();
    let second = out.commit(Sync::None).unwrap();
    assert_eq!(
        out.commit(Sync::None).unwrap(),
        second,
        "an empty commit writes no member"
    );
    out.write(b"4\n").unwrap();
    out.commit(Sync::None).unwrap();
    drop(out);
    assert_eq!(unzip(&path), "1\n2\n3\n4\n");

    let same = LastChunk {
        from: first,
        is_same: &|bytes| bytes == b"2\n3\n",
    };
    let mut out = OutFile::open(
        &path,
        Opening::Resume {
            len: second,
            last: Some(same),
            clean: false,
        },
    )
    .unwrap();
    assert_eq!(unzip(&path), "1\n2\n3\n");
    out.write(b"5\n").unwrap();
    out.commit(Sync::None).unwrap();
    assert_eq!(unzip(&path), "1\n2\n3\n5\n");
    drop(out);

    let not_a_member = LastChunk {
        from: first + 1,
        is_same: &|_| true,
    };
    let opening = Opening::Resume {
        len: second,
        last: Some(not_a_member),
        clean: false,
    };
    assert!(matches!(
        OutFile::open(&path, opening).unwrap_err(),
        OutError::Changed { .. }
    ));
}

#[test]
fn two_runs_cannot_write_one_file() {
    let (_folder, path) = folder_with("out.jsonl", b"");
    let first = OutFile::open(&path, NEW).unwrap();
    assert!(matches!(
        OutFile::open(&path, resume(0)).unwrap_err(),
        OutError::Locked { .. }
    ));
    drop(first);
    OutFile::open(&path, resume(0)).unwrap();
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for opening in [NEW, resume(4)] {
        let error =
            OutFile::open(folder.path().join("deep").join("out.jsonl"), opening).unwrap_err();
        assert!(
            matches!(&error, OutError::NoFolder { folder, .. } if folder.ends_with("deep")),
            "{error:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_full_and_nothing_is_lost() {
    let mut out = OutFile::open("/dev/full", NEW).unwrap();
    assert!(!out.is_resumable());
    out.write(b"1\n").unwrap();
    for _ in 0..2 {
        let error = out.commit(Sync::Data).unwrap_err();
        assert!(error.is_full(), "{error:?}");
    }
    assert!(!out.is_blank());
}

#[expect(clippy::disallowed_methods, reason = "the other end of the pipe")]
#[cfg(target_os = "linux")]
#[test]
fn a_named_pipe_is_written_and_read_but_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let input = Input::open(&path).unwrap();
            assert!(!input.is_regular());
            let mut reader = JsonlReader::new(input, Start::BEGINNING).unwrap();
            let mut ends = Vec::new();
            while let Some(Item::Record(record)) = reader.next().unwrap() {
                ends.push(record.end);
            }
            ends
        });
        let mut out = OutFile::open(&path, resume(10)).unwrap();
        assert!(!out.is_resumable());
        out.write(b"1\n22\n").unwrap();
        assert_eq!(out.commit(Sync::Data).unwrap(), 15);
        drop(out);
        assert_eq!(reader.join().unwrap(), [2, 5]);
    });
    assert_eq!(rotate(&path).unwrap(), None);
}

#[test]
fn rotating_takes_the_first_free_number() {
    let (folder, path) = folder_with("out.jsonl", b"a");
    assert_eq!(
        rotate(&path).unwrap(),
        Some(folder.path().join("out.jsonl.1"))
    );
    assert_eq!(rotate(&path).unwrap(), None);
    fs::write(&path, "").unwrap();
    assert_eq!(rotate(&path).unwrap(), None);
    fs::write(&path, "b").unwrap();
    assert_eq!(
        rotate(&path).unwrap(),
        Some(folder.path().join("out.jsonl.2"))
    );
    assert_eq!(fs::read(folder.path().join("out.jsonl.1")).unwrap(), b"a");
    OutFile::open(&path, NEW).unwrap();
}
