use std::{error::Error, fs};

use tidegate_file::{Fingerprint, Input, Item, JsonlReader, ReadError, Start, tail};

use crate::{gzip, input};

fn texts(input: Input, start: Start) -> Result<Vec<String>, ReadError> {
    let mut reader = JsonlReader::new(input, start)?;
    let mut texts = Vec::new();
    while let Some(item) = reader.next()? {
        let Item::Record(record) = item else {
            panic!("{item:?}")
        };
        texts.push(String::from_utf8(record.bytes.to_vec()).unwrap());
    }
    Ok(texts)
}

#[test]
fn all_members_of_a_gzip_file_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl.GZ");
    fs::write(
        &path,
        [gzip(b"1\n2"), gzip(b"2\n"), gzip(b""), gzip(b"3")].concat(),
    )
    .unwrap();
    assert_eq!(
        texts(Input::open(&path).unwrap(), Start::BEGINNING).unwrap(),
        ["1", "22", "3"]
    );
    assert_eq!(
        texts(Input::open(&path).unwrap(), Start { offset: 5, line: 3 }).unwrap(),
        ["3"]
    );
}

#[test]
fn a_gzip_file_that_is_cut_off_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl.gz");
    let whole = gzip(&b"{\"id\":1}\n".repeat(1000));
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = texts(Input::open(&path).unwrap(), Start::BEGINNING).unwrap_err();
    assert!(
        matches!(error, ReadError::Io { .. }) && error.source().is_some(),
        "{error:?}"
    );
}

#[test]
fn a_file_and_a_stream_go_on_at_the_same_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    let bytes: Vec<u8> = (0..30_000)
        .flat_map(|n| format!("{n}\n").into_bytes())
        .collect();
    fs::write(&path, &bytes).unwrap();
    let offset = bytes.len() as u64 - 12;
    let start = Start {
        offset,
        line: 29_999,
    };
    assert_eq!(
        texts(Input::open(&path).unwrap(), start).unwrap(),
        ["29998", "29999"]
    );
    assert_eq!(texts(input(&bytes), start).unwrap(), ["29998", "29999"]);
    let end = Start {
        offset: bytes.len() as u64,
        line: 30_001,
    };
    assert!(texts(Input::open(&path).unwrap(), end).unwrap().is_empty());
}

#[test]
fn an_input_shorter_than_before_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    fs::write(&path, "1\n2\n").unwrap();
    for input in [Input::open(&path).unwrap(), input(b"1\n2\n")] {
        let error = texts(input, Start { offset: 5, line: 4 }).unwrap_err();
        assert!(
            matches!(error, ReadError::Shorter { offset: 5, len: 4 }),
            "{error:?}"
        );
    }
}

#[test]
fn a_folder_and_a_missing_file_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Input::open(folder.path()).unwrap_err(),
        ReadError::Folder { .. }
    ));
    assert!(matches!(
        Input::open(folder.path().join("none")).unwrap_err(),
        ReadError::Open { .. }
    ));
}

#[test]
fn only_a_file_is_regular() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    fs::write(&path, "1\n").unwrap();
    let file = Input::open(&path).unwrap();
    assert!(file.is_regular());
    assert_eq!(file.fingerprint(), Some(Fingerprint::of(&path).unwrap()));
    assert!(!input(b"").is_regular());
    #[cfg(unix)]
    assert!(!Input::open("/dev/null").unwrap().is_regular());
}

#[test]
fn a_fingerprint_tells_a_file_that_grew_from_one_that_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    fs::write(&path, "1\n").unwrap();
    let before = Fingerprint::of(&path).unwrap();
    assert_eq!(before, Fingerprint::of(&path).unwrap());
    fs::write(&path, "1\n2\n").unwrap();
    let grown = Fingerprint::of(&path).unwrap();
    assert_eq!((before.device, before.inode), (grown.device, grown.inode));
    assert_eq!((before.size, grown.size), (2, 4));
    fs::write(folder.path().join("other"), "1\n").unwrap();
    fs::rename(folder.path().join("other"), &path).unwrap();
    #[cfg(unix)]
    assert_ne!(before.inode, Fingerprint::of(&path).unwrap().inode);
}

#[test]
fn a_tail_ends_at_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.jsonl");
    fs::write(&path, "abcdef").unwrap();
    assert_eq!(tail(&path, 5, 3).unwrap(), b"cde");
    assert_eq!(tail(&path, 2, 64 * 1024).unwrap(), b"ab");
    assert!(tail(&path, 7, 3).is_err());
}
