//! The SQL boundary of Tidegate: SQLite in and out, many rows a transaction
