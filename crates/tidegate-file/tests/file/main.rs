//! The public face of the crate, on files in a temporary folder and on readers that read a few bytes at a time.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod csv_in;
mod csv_out;
mod input;
mod jsonl;
mod out;

use std::io::{self, Read, Write};

use flate2::{Compression, write::GzEncoder};
use tidegate_file::Input;

/// Gives out its bytes in pieces of the given sizes, over and over.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        let len = size.min(buffer.len()).min(self.bytes.len() - self.at);
        buffer[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

fn pieces(bytes: &[u8], sizes: &[usize]) -> Input {
    Input::from_reader(Box::new(Pieces {
        bytes: bytes.to_owned(),
        at: 0,
        sizes: sizes.to_owned(),
        turn: 0,
    }))
}

fn input(bytes: &[u8]) -> Input {
    pieces(bytes, &[usize::MAX])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::fast());
    member.write_all(bytes).unwrap();
    member.finish().unwrap()
}
