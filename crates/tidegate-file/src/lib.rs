//! The file boundary of Tidegate: JSONL and CSV, in and out, resumable
