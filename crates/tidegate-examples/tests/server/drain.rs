//! What happens to requests once the server was told to stop.

use crate::support::Server;

#[test]
fn requests_under_way_are_answered_and_new_ones_refused() {
    let mut server = Server::start(&["--linger-ms", "5000"]);
    let mut slow = [server.client(), server.client(), server.client()];
    for client in &mut slow {
        client.ask("/slow?ms=2000");
    }
    let mut kept = server.client();
    server.wait_until_open(&mut kept, slow.len());

    server.terminate();
    kept.ask("/");
    let (head, body) = kept.answer().unwrap();
    assert!(head.starts_with("http/1.1 503 "), "{head}");
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(body, "shutting down\n");
    assert!(kept.answer().is_none(), "the kept connection is closed");
    assert!(server.refuses_connections());

    for client in &mut slow {
        let (head, body) = client.answer().unwrap();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert_eq!(body, "at last\n");
    }
    let (code, lines) = server.end();
    assert_eq!(code, Some(0));
    let [counts] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(counts.ends_with(" answered, 1 refused, 0 cut"), "{counts}");
}

#[test]
fn a_request_beyond_the_grace_is_cut_and_named() {
    let mut server = Server::start(&["--grace-ms", "300"]);
    let (mut slow, mut other) = (server.client(), server.client());
    slow.ask("/slow?ms=600000");
    server.wait_until_open(&mut other, 1);

    server.terminate();
    assert!(slow.answer().is_none());
    let (code, lines) = server.end();
    assert_eq!(code, Some(1));
    let [counts, cut] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(counts.ends_with(" 0 refused, 1 cut"), "{counts}");
    assert!(cut.starts_with("cut: /slow?ms=600000 after "), "{cut}");
}

#[test]
fn a_thread_that_does_not_stop_is_named_and_not_waited_for() {
    let mut server = Server::start(&["--grace-ms", "100"]);
    let (mut export, mut other) = (server.client(), server.client());
    export.ask("/export?ms=600000");
    server.wait_until_open(&mut other, 1);

    server.terminate();
    let (code, lines) = server.end();
    assert_eq!(code, Some(1));
    let survivor = lines.last().unwrap();
    // On a busy machine the thread may not have begun yet; then its scope stands for it.
    assert!(
        survivor.starts_with("still running: server/export"),
        "{survivor}"
    );
}

#[test]
fn a_connection_without_a_request_does_not_hold_the_server_up() {
    let mut server = Server::start(&["--linger-ms", "0", "--grace-ms", "600000"]);
    let mut idle = server.client();
    server.wait_until_open(&mut idle, 0);

    server.terminate();
    assert!(idle.answer().is_none());
    let (code, _) = server.end();
    assert_eq!(code, Some(0));
}

#[test]
fn a_port_in_use_is_a_failed_start() {
    let server = Server::start(&[]);
    let (code, said) = server.second();
    assert_eq!(code, Some(2));
    assert!(said.starts_with("draining-server: "), "{said}");
}
