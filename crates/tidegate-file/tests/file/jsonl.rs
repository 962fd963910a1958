use proptest::prelude::*;
use tidegate_file::{Input, Item, JsonlReader, Problem, Raw, ReadError, Start};

use crate::{input, pieces};

fn read(input: Input, start: Start, max_record: usize) -> Vec<Item> {
    let mut reader = JsonlReader::new(input, start)
        .unwrap()
        .max_record(max_record);
    let mut items = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        items.push(item);
    }
    items
}

fn records(bytes: &[u8]) -> Vec<Raw> {
    let items = read(input(bytes), Start::BEGINNING, 1000);
    items
        .into_iter()
        .map(|item| match item {
            Item::Record(record) => record,
            Item::Bad(bad) => panic!("{bad:?}"),
        })
        .collect()
}

fn next_start(item: &Item) -> Start {
    match item {
        Item::Record(record) => record.next_start(),
        Item::Bad(bad) => bad.next_start(),
    }
}

#[test]
fn a_record_knows_its_line_and_its_offsets() {
    let found = records(b"{}\r\n\r\n  \n[1]\nlast");
    let expected = [
        ("{}", 1, 0, 4, false),
        ("[1]", 4, 9, 13, false),
        ("last", 5, 13, 17, true),
    ];
    let expected = expected.map(|(text, line, start, end, unterminated)| Raw {
        bytes: text.into(),
        line,
        start,
        end,
        unterminated,
    });
    assert_eq!(found, expected);
}

#[test]
fn a_mark_of_utf8_is_dropped_and_counted() {
    let found = records(b"\xEF\xBB\xBF{}\n[]\n");
    assert_eq!((&found[0].bytes[..], found[0].start), (&b"{}"[..], 3));
    let rest = read(
        input(b"\xEF\xBB\xBF{}\n[]\n"),
        Start {
            offset: found[0].end,
            line: 2,
        },
        1000,
    );
    assert_eq!(rest, [Item::Record(found[1].clone())]);
}

#[test]
fn utf16_is_named() {
    let error = JsonlReader::new(input(b"\xFF\xFE{\0"), Start::BEGINNING).unwrap_err();
    assert!(matches!(error, ReadError::Utf16), "{error:?}");
}

#[test]
fn a_long_line_passes_whole() {
    let mut bytes = vec![b'x'; 200_000];
    bytes.extend_from_slice(b"\n1\n");
    let items = read(pieces(&bytes, &[1000]), Start::BEGINNING, 200_000);
    assert!(
        matches!(&items[0], Item::Record(record) if record.bytes.len() == 200_000),
        "{items:?}"
    );
    assert!(
        matches!(&items[1], Item::Record(record) if record.start == 200_001 && record.line == 2),
        "{items:?}"
    );
}

#[test]
fn a_line_that_is_too_long_is_skipped_with_its_beginning_shown() {
    let bytes = [b"1\n".repeat(3), vec![b'x'; 5000], b"\r\n2\n".to_vec()].concat();
    let items = read(pieces(&bytes, &[64]), Start::BEGINNING, 1000);
    let Item::Bad(bad) = &items[3] else {
        panic!("{items:?}")
    };
    assert_eq!(
        (bad.line, bad.start, bad.end, bad.head.len()),
        (4, 6, 5008, 200)
    );
    assert_eq!(bad.problem, Problem::TooLong { limit: 1000 });
    assert!(
        matches!(&items[4], Item::Record(record) if record.line == 5),
        "{items:?}"
    );
}

#[test]
fn the_limit_does_not_count_the_line_end() {
    for end in ["\n", "\r\n", "", "\r"] {
        for size in [1, 7, usize::MAX] {
            let just = read(
                pieces(format!("12345678{end}").as_bytes(), &[size]),
                Start::BEGINNING,
                8,
            );
            assert!(matches!(just[..], [Item::Record(_)]), "{end:?} {just:?}");
            let over = read(
                pieces(format!("123456789{end}").as_bytes(), &[size]),
                Start::BEGINNING,
                8,
            );
            assert!(matches!(over[..], [Item::Bad(_)]), "{end:?} {over:?}");
        }
    }
}

#[test]
fn a_byte_that_is_not_utf8_spoils_only_its_line() {
    let items = read(
        input(b"1\n{\"n\":\"caf\xe9\"}\n2\n"),
        Start::BEGINNING,
        1000,
    );
    let Item::Bad(bad) = &items[1] else {
        panic!("{items:?}")
    };
    assert_eq!(bad.problem, Problem::NotUtf8 { at: 9 });
    assert_eq!(
        bad.problem.to_string(),
        "not UTF-8 at byte 10 of the record: convert the file to UTF-8"
    );
    assert!(matches!(items[2], Item::Record(_)));
}

/// What a reader says about one line, so that it compares with the model.
#[derive(Debug, PartialEq)]
struct Seen {
    line: u64,
    start: u64,
    end: u64,
    unterminated: bool,
    /// The record, or whether it is too long rather than not UTF-8.
    result: Result<Vec<u8>, bool>,
}

/// What the reader must say, by the simplest means.
fn model(bytes: &[u8], max_record: usize) -> Vec<Seen> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let end = start + line.len() as u64;
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let unterminated = content.len() == line.len();
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let result = if content.len() > max_record {
            Some(Err(true))
        } else if content.iter().all(|byte| b" \t\r".contains(byte)) {
            None
        } else if std::str::from_utf8(content).is_err() {
            Some(Err(false))
        } else {
            Some(Ok(content.to_owned()))
        };
        let line = number as u64 + 1;
        found.extend(result.map(|result| Seen {
            line,
            start,
            end,
            unterminated,
            result,
        }));
        start = end;
    }
    found
}

fn seen(item: &Item) -> Seen {
    match item {
        Item::Record(raw) => Seen {
            line: raw.line,
            start: raw.start,
            end: raw.end,
            unterminated: raw.unterminated,
            result: Ok(raw.bytes.to_vec()),
        },
        Item::Bad(bad) => Seen {
            line: bad.line,
            start: bad.start,
            end: bad.end,
            unterminated: bad.unterminated,
            result: Err(matches!(bad.problem, Problem::TooLong { .. })),
        },
    }
}

fn any_lines() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(b'\n'),
        2 => Just(b'\r'),
        2 => Just(b' '),
        6 => b'a'..=b'e',
        1 => Just(0xC3),
        1 => Just(0xA9),
    ];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn lines_are_those_of_the_model_however_they_arrive(
        bytes in any_lines(),
        sizes in prop::collection::vec(1_usize..20, 1..5),
        max_record in 1_usize..20,
    ) {
        let items = read(pieces(&bytes, &sizes), Start::BEGINNING, max_record);
        let found: Vec<_> = items.iter().map(seen).collect();
        prop_assert_eq!(found, model(&bytes, max_record));
    }

    #[test]
    fn reading_on_at_any_record_gives_the_same_rest(
        bytes in any_lines(),
        sizes in prop::collection::vec(1_usize..20, 1..5),
        max_record in 1_usize..20,
    ) {
        let items = read(pieces(&bytes, &sizes), Start::BEGINNING, max_record);
        for (at, item) in items.iter().enumerate() {
            let rest = read(pieces(&bytes, &sizes), next_start(item), max_record);
            prop_assert_eq!(&rest[..], &items[at + 1..]);
        }
    }
}
