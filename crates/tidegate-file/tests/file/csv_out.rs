use proptest::prelude::*;
use tidegate_file::{Cell, csv_cells, csv_header};

#[test]
fn a_cell_is_quoted_only_where_it_must_be() {
    let mut out = Vec::new();
    csv_header(&mut out, ["id", "last, first"]);
    csv_cells(&mut out, [Cell::Text("=1+1"), Cell::Text("a\r\nb")]);
    csv_cells(&mut out, [Cell::Null, Cell::Text("")]);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "id,\"last, first\"\n=1+1,\"a\r\nb\"\n,\n"
    );
}

#[test]
fn a_row_of_one_empty_cell_is_no_blank_line() {
    let mut out = b"x\n".to_vec();
    csv_cells(&mut out, [Cell::Null]);
    csv_cells(&mut out, [Cell::Text("")]);
    assert_eq!(out, b"x\n\"\"\n\"\"\n");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(rows in prop::collection::vec(prop::array::uniform3("[a,\"\r\né ]{0,6}"), 0..10)) {
        let mut out = b"x,y,z\n".to_vec();
        for row in &rows {
            csv_cells(&mut out, row.iter().map(|text| Cell::Text(text)));
        }
        let mut reader = csv::Reader::from_reader(&out[..]);
        let read: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(read, rows.into_iter().map(Vec::from).collect::<Vec<_>>());
    }
}
