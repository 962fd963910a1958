use proptest::prelude::*;
use tidegate_file::{
    CsvItem, CsvOptions, CsvReader, HeaderProblem, Input, Problem, ReadError, Row, Start,
};

use crate::{input, pieces};

/// Rows of a list of airports: accents, commas in quotes, empty fields, quotes around some fields only.
const AIRPORTS: &str = include_str!("airports.csv");

fn options(max_record: usize) -> CsvOptions {
    CsvOptions {
        max_record,
        ..CsvOptions::default()
    }
}

fn read(input: Input, start: Start, options: CsvOptions) -> Result<Vec<CsvItem>, ReadError> {
    let mut reader = CsvReader::new(input, start, options)?;
    let mut items = Vec::new();
    while let Some(item) = reader.next()? {
        items.push(item);
    }
    Ok(items)
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    let items = read(input(bytes), Start::BEGINNING, CsvOptions::default()).unwrap();
    items
        .into_iter()
        .map(|item| match item {
            CsvItem::Row(row) => row,
            CsvItem::Bad(bad) => panic!("{bad:?}"),
        })
        .collect()
}

fn header_fault(bytes: &[u8]) -> (u64, HeaderProblem) {
    match CsvReader::new(input(bytes), Start::BEGINNING, options(100)).unwrap_err() {
        ReadError::Header { line, problem } => (line, problem),
        error => panic!("{error:?}"),
    }
}

fn unclosed(bytes: &[u8], max_record: usize, size: usize) -> (u64, Option<usize>) {
    match read(
        pieces(bytes, &[size]),
        Start::BEGINNING,
        options(max_record),
    )
    .unwrap_err()
    {
        ReadError::UnclosedQuote { line, limit } => (line, limit),
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_row_knows_its_fields_its_line_and_its_offsets() {
    let found = rows(b"\xEF\xBB\xBFid,note\r\n1,\"a \"\"b\"\"\nc, d\"\r\n\r\n2,");
    let seen: Vec<_> = found
        .iter()
        .map(|row| {
            (
                row.fields().collect::<Vec<_>>(),
                row.line,
                row.start,
                row.end,
                row.unterminated,
            )
        })
        .collect();
    let expected = [
        (vec!["1", "a \"b\"\nc, d"], 2, 12, 30, false),
        (vec!["2", ""], 5, 32, 34, true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(&found[0].bytes[..], b"1,\"a \"\"b\"\"\nc, d\"");
    assert_eq!(
        (found[0].get(1), found[0].get(2)),
        (Some("a \"b\"\nc, d"), None)
    );
}

#[test]
fn airports_are_read_as_the_csv_crate_reads_them() {
    // As many rows as the whole list has.
    let body: String = AIRPORTS
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    let header = AIRPORTS.lines().next().unwrap();
    let mut bytes = format!("{header}\n").into_bytes();
    let copies = 28_298_usize.div_ceil(body.lines().count());
    bytes.extend(body.repeat(copies).bytes());
    let found = rows(&bytes);
    let mut oracle = csv::Reader::from_reader(&bytes[..]);
    let expected: Vec<_> = oracle.records().map(Result::unwrap).collect();
    assert!(found.len() >= 28_298);
    assert_eq!(found.len(), expected.len());
    for (row, expected) in found.iter().zip(&expected) {
        assert!(row.fields().eq(expected.iter()), "{row:?}");
        assert_eq!(row.start, expected.position().unwrap().byte());
    }
}

#[test]
fn a_quote_that_never_closes_is_named_by_its_line() {
    let bytes = b"id,name\n1,a\n2,\"b\nc\"\n3,\"d\n4,e\n5,f\n";
    for size in [1, 5, usize::MAX] {
        assert_eq!(unclosed(bytes, 1000, size), (5, None));
        assert_eq!(unclosed(bytes, 8, size), (5, Some(8)));
    }
    assert_eq!(unclosed(b"id,\"name\n1,2\n", 1000, 3), (1, None));
    let error = ReadError::UnclosedQuote {
        line: 5,
        limit: None,
    };
    assert_eq!(error.line(), Some(5));
    assert_eq!(
        error.to_string(),
        "line 5: the quote that opens here never closes"
    );
}

#[test]
fn a_record_that_is_too_long_is_skipped_with_its_quotes() {
    let long = "\"a\nb\",".repeat(40);
    let bytes = format!("id,name\n1,x\n{long}end\n2,y\n");
    for size in [1, 7, usize::MAX] {
        let items = read(
            pieces(bytes.as_bytes(), &[size]),
            Start::BEGINNING,
            options(20),
        )
        .unwrap();
        let [CsvItem::Row(_), CsvItem::Bad(bad), CsvItem::Row(last)] = &items[..] else {
            panic!("{items:?}")
        };
        assert_eq!(
            (bad.line, bad.start, bad.problem),
            (3, 12, Problem::TooLong { limit: 20 })
        );
        assert!(bad.head.starts_with(b"\"a\nb\",") && bad.head.len() <= 200);
        assert_eq!((last.line, last.get(0)), (44, Some("2")));
    }
}

#[test]
fn the_limit_does_not_count_the_line_end() {
    for end in ["\n", "\r\n", "\r", ""] {
        for size in [1, usize::MAX] {
            let bytes = format!("id\r\n12345678{end}");
            let just = read(
                pieces(bytes.as_bytes(), &[size]),
                Start::BEGINNING,
                options(8),
            )
            .unwrap();
            assert!(matches!(just[..], [CsvItem::Row(_)]), "{end:?} {just:?}");
            let bytes = format!("id\r\n123456789{end}");
            let over = read(
                pieces(bytes.as_bytes(), &[size]),
                Start::BEGINNING,
                options(8),
            )
            .unwrap();
            assert!(matches!(over[..], [CsvItem::Bad(_)]), "{end:?} {over:?}");
        }
    }
}

#[test]
fn a_row_with_too_many_or_too_few_fields_spoils_only_itself() {
    let items = read(
        input(b"a,b\n1\n1,2,3\n1,2\n"),
        Start::BEGINNING,
        options(100),
    )
    .unwrap();
    let problems: Vec<_> = items
        .iter()
        .map(|item| match item {
            CsvItem::Bad(bad) => Some((bad.line, bad.problem)),
            CsvItem::Row(_) => None,
        })
        .collect();
    let wrong = |line, found| Some((line, Problem::FieldCount { expected: 2, found }));
    assert_eq!(problems, [wrong(2, 1), wrong(3, 3), None]);
}

#[test]
fn a_byte_that_is_not_utf8_spoils_only_its_row() {
    let items = read(
        input(b"a,b\n\"x\"\"\",caf\xe9\n1,2\n"),
        Start::BEGINNING,
        options(100),
    )
    .unwrap();
    let [CsvItem::Bad(bad), CsvItem::Row(_)] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!(bad.problem, Problem::NotUtf8 { at: 9 });
}

#[test]
fn a_header_that_cannot_be_used_stops_at_once() {
    assert_eq!(header_fault(b""), (1, HeaderProblem::Missing));
    assert_eq!(header_fault(b"\r\n\n"), (1, HeaderProblem::Missing));
    assert_eq!(
        header_fault(b"\nid,,name\n"),
        (2, HeaderProblem::Unnamed { column: 2 })
    );
    assert_eq!(
        header_fault(b"id,n,\"id\"\n"),
        (
            1,
            HeaderProblem::Twice {
                name: "id".to_owned()
            }
        )
    );
    assert_eq!(header_fault(b"id,caf\xe9\n"), (1, HeaderProblem::NotUtf8));
    assert_eq!(
        header_fault(&[b'x'; 101]),
        (1, HeaderProblem::TooLong { limit: 100 })
    );
}

#[test]
fn another_delimiter_is_read_when_given_and_guessed_when_not() {
    let bytes = b"id;name\n1;\"a;b,c\"\n";
    let semicolon = CsvOptions {
        delimiter: b';',
        ..CsvOptions::default()
    };
    let items = read(input(bytes), Start::BEGINNING, semicolon).unwrap();
    assert!(
        matches!(&items[..], [CsvItem::Row(row)] if row.get(1) == Some("a;b,c")),
        "{items:?}"
    );

    let reader = CsvReader::new(input(bytes), Start::BEGINNING, CsvOptions::default()).unwrap();
    assert!(!reader.has_column("id"));
    assert_eq!(reader.likely_delimiter(), Some(b';'));

    for delimiter in *b"\"\n\r\xA7" {
        let options = CsvOptions {
            delimiter,
            ..CsvOptions::default()
        };
        let error = CsvReader::new(input(bytes), Start::BEGINNING, options).unwrap_err();
        assert!(matches!(error, ReadError::Delimiter { .. }), "{error:?}");
    }
}

#[test]
fn reading_on_at_any_row_of_a_file_gives_the_same_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("airports.csv");
    std::fs::write(&path, AIRPORTS).unwrap();
    let all = rows(AIRPORTS.as_bytes());
    for (at, row) in all.iter().enumerate() {
        let start = row.next_start();
        let rest = read(Input::open(&path).unwrap(), start, CsvOptions::default()).unwrap();
        assert!(
            rest.iter().eq(all[at + 1..]
                .iter()
                .cloned()
                .map(CsvItem::Row)
                .collect::<Vec<_>>()
                .iter())
        );
    }
}

fn any_csv() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n", "\r\n", "\r", ",", ",", "\"", "\"\"", "\"a\"", "b", " ", "é", "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn records_are_those_of_the_csv_crate_however_they_arrive(
        body in any_csv(),
        sizes in prop::collection::vec(1_usize..20, 1..5),
    ) {
        let text = format!("x,y\n{body}");
        let mut oracle = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let expected: Vec<csv::StringRecord> = oracle.records().map(Result::unwrap).collect();
        let mut reader = CsvReader::new(pieces(text.as_bytes(), &sizes), Start::BEGINNING, options(1000)).unwrap();
        let mut expected = expected.into_iter();
        loop {
            match reader.next() {
                Ok(Some(CsvItem::Row(row))) => {
                    let expected = expected.next().unwrap();
                    prop_assert!(row.fields().eq(expected.iter()), "{:?} {:?}", row, expected);
                    let lines_before = text[..row.start as usize].matches('\n').count() as u64;
                    // A bare `\r` ends a record, too, and is counted.
                    prop_assert!(row.line > lines_before);
                    if !text.contains('\r') {
                        prop_assert_eq!(row.line, lines_before + 1);
                    }
                }
                Ok(Some(CsvItem::Bad(bad))) => {
                    let found = expected.next().unwrap().len();
                    prop_assert_eq!(bad.problem, Problem::FieldCount { expected: 2, found });
                }
                Ok(None) => {
                    prop_assert_eq!(expected.next(), None);
                    break;
                }
                // The oracle takes the rest of the input for one field.
                Err(ReadError::UnclosedQuote { limit: None, .. }) => {
                    prop_assert!(expected.next().is_some());
                    prop_assert_eq!(expected.next(), None);
                    break;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    #[test]
    fn reading_on_at_any_record_gives_the_same_rest(
        body in any_csv(),
        sizes in prop::collection::vec(1_usize..20, 1..5),
        max_record in 3_usize..20,
    ) {
        let bytes = format!("x,y\n{body}").into_bytes();
        // Only inputs whose quotes all close have a rest.
        if let Ok(items) = read(pieces(&bytes, &sizes), Start::BEGINNING, options(max_record)) {
            for (at, item) in items.iter().enumerate() {
                let start = match item {
                    CsvItem::Row(row) => row.next_start(),
                    CsvItem::Bad(bad) => bad.next_start(),
                };
                let rest = read(pieces(&bytes, &sizes), start, options(max_record)).unwrap();
                prop_assert_eq!(&rest[..], &items[at + 1..]);
            }
        }
    }
}
