//! A server under test, and clients that speak HTTP/1.1 by hand, so that nothing is repeated or pooled behind a test's back.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Lines, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// After this a test has hung.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Server {
        let mut process = Command::new(env!("CARGO_BIN_EXE_draining-server"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.strip_prefix("listening on ").unwrap();
        Server {
            address: address.parse().unwrap(),
            process,
            lines,
        }
    }

    /// The exit code and the error output of a second server at the same address.
    pub(crate) fn second(&self) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_draining-server"))
            .args(["--listen", &self.address.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    }

    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    pub(crate) fn refuses_connections(&self) -> bool {
        TcpStream::connect(self.address).is_err()
    }

    /// Asks over `client` until so many other requests are under way.
    pub(crate) fn wait_until_open(&self, client: &mut Client, count: usize) {
        loop {
            client.ask("/open");
            let (_, body) = client.answer().unwrap();
            if body.trim() == count.to_string() {
                return;
            }
        }
    }

    /// Sends the signal and waits for the line that says it was heard.
    pub(crate) fn terminate(&mut self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(self.line(), "stopping: shutdown by SIGTERM");
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// The exit code and the lines that have not been read.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.process.wait().unwrap().code();
        let lines = self.lines.by_ref().map(Result::unwrap).collect();
        (code, lines)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// One kept connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn ask(&mut self, target: &str) {
        write!(
            self.0.get_mut(),
            "GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"
        )
        .unwrap();
    }

    /// The head and the body of the next answer. `None`: the connection was closed without one.
    pub(crate) fn answer(&mut self) -> Option<(String, String)> {
        let mut head = String::new();
        loop {
            // A reset is an end as well.
            if self.0.read_line(&mut head).unwrap_or(0) == 0 {
                assert_eq!(head, "", "half an answer");
                return None;
            }
            if head.ends_with("\r\n\r\n") {
                break;
            }
        }
        head.make_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.split_once("\r\n").unwrap().0.parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Some((head, String::from_utf8(body).unwrap()))
    }
}
