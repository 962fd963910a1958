//! Signals: the first lets started work finish, the second stops at once, and both leave a journal that resumes.

use crate::support::{Case, Running, json_lines, numbered, wait_until};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tidegate_test::Api;

const ROWS: u64 = 1_000;

const FLOW: &str = "
source: { jsonl: in.jsonl, key: id }
records: { in_flight: 16 }
services: { api: { base: $API, timeout: 60s } }
steps: { user: { api: 'GET /users/{{ id }}' } }
sink: { jsonl: out.jsonl, row: { id: id } }
";

fn api() -> Api {
    let latency = (Duration::from_millis(5), Duration::from_millis(15));
    Api::builder()
        .latency(latency.0, latency.1)
        .spawn_thread()
        .expect("a local API")
}

#[track_caller]
fn a_signal_drains(signal: Signal) {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(ROWS);
    let run = case.start_run(&[]);
    wait_until("work is under way", || api.stats().requests > 100);
    run.signal(signal);
    let asked = Instant::now();
    let stopped = run.ends().exits(4).says("nothing is lost");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "started work took {:?}",
        asked.elapsed()
    );
    assert_eq!(stopped.report("outcome"), "stopped");
    let [done, dead, skipped, pending] = stopped.counts();
    assert!((1..ROWS).contains(&done), "{done} done");
    assert_eq!(
        (dead, skipped, pending),
        (0, 0, 0),
        "what was started could finish"
    );
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))).len() as u64,
        done
    );

    let resumed = case.run(&[]).exits(0);
    assert_eq!(resumed.counts(), [ROWS - done, 0, done, 0]);
    assert_eq!(api.stats().requests, ROWS, "nothing was asked twice");
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=ROWS).collect::<Vec<_>>()
    );
}

#[test]
fn an_interrupt_lets_started_work_finish_and_the_next_run_does_the_rest() {
    a_signal_drains(Signal::INT);
}

#[test]
fn a_term_signal_lets_started_work_finish_and_the_next_run_does_the_rest() {
    a_signal_drains(Signal::TERM);
}

/// A run whose first answers have been committed, and whose next ones will not come.
fn hanging(api: &Api, case: &Case, grace: &str) -> (Running, u64) {
    let run = case.start_run(&["--grace", grace]);
    wait_until("some rows are written", || {
        case.path("out.jsonl").exists() && !case.bytes("out.jsonl").is_empty()
    });
    api.brown_out(0.0, Duration::from_secs(3_600));
    wait_until("all requests hang", || {
        let before = api.stats();
        std::thread::sleep(Duration::from_millis(50));
        before.open == 16 && api.stats().requests == before.requests
    });
    let asked = api.stats().requests;
    (run, asked)
}

#[test]
fn work_that_outlasts_the_grace_is_pending_and_done_by_the_next_run() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(ROWS);
    let (run, asked) = hanging(&api, &case, "2s");
    run.signal(Signal::INT);
    let at = Instant::now();
    let stopped = run.ends().exits(4);
    assert!(at.elapsed() < Duration::from_secs(5), "{:?}", at.elapsed());
    assert_eq!(
        stopped.counts(),
        [asked - 16, 0, 0, 16],
        "all that hung are pending"
    );

    api.come_up();
    let resumed = case.run(&[]).exits(0);
    assert_eq!(resumed.counts(), [ROWS - asked + 16, 0, asked - 16, 0]);
    assert_eq!(
        api.stats().requests,
        ROWS + 16,
        "only what hung was asked again"
    );
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=ROWS).collect::<Vec<_>>()
    );
}

#[test]
fn a_second_interrupt_stops_at_once_and_the_next_run_does_the_rest() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(ROWS);
    let (mut run, asked) = hanging(&api, &case, "10m");
    let at = Instant::now();
    // Two signals that come together count as one, so it is repeated until it has been heard twice.
    wait_until("the program ends", || {
        run.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
        run.has_ended()
    });
    assert!(at.elapsed() < Duration::from_secs(5), "{:?}", at.elapsed());
    run.ends().exits(4).says("stopped at once");

    api.come_up();
    let resumed = case.run(&[]).exits(0);
    let [done, dead, skipped, pending] = resumed.counts();
    assert_eq!((done + skipped, dead, pending), (ROWS, 0, 0));
    assert!(skipped > 0, "what was committed is not done again");
    assert!(api.stats().requests <= asked + ROWS - skipped);
    assert_eq!(
        numbered(&json_lines(&case.bytes("out.jsonl"))),
        (1..=ROWS).collect::<Vec<_>>()
    );
}

#[test]
fn an_interrupt_does_not_wait_for_the_rate() {
    let api = api();
    let flow = FLOW.replace("base: $API,", "base: $API, rate: 1/m,");
    let case = Case::new(&api.base_url(), &flow).rows(ROWS);
    let run = case.start_run(&[]);
    wait_until("the first is asked", || api.stats().requests == 1);
    let at = Instant::now();
    run.signal(Signal::INT);
    let stopped = run.ends().exits(4);
    assert!(at.elapsed() < Duration::from_secs(3), "{:?}", at.elapsed());
    let [done, dead, ..] = stopped.counts();
    assert_eq!((done, dead), (1, 0));
}

#[test]
fn an_interrupt_does_not_wait_for_a_service_that_is_down() {
    let api = api();
    let case = Case::new(&api.base_url(), FLOW).rows(ROWS);
    let run = case.start_run(&[]);
    wait_until("work is under way", || api.stats().requests > 100);
    api.go_down(tidegate_test::Down::Close);
    wait_until("the outage is noticed", || {
        // Down: a probe now and then, no more.
        let before = api.stats();
        std::thread::sleep(Duration::from_millis(200));
        let now = api.stats();
        now.open == 0 && now.requests + now.connections <= before.requests + before.connections + 2
    });
    let at = Instant::now();
    run.signal(Signal::INT);
    let stopped = run.ends().exits(4);
    assert!(
        at.elapsed() < Duration::from_secs(12),
        "within the grace: {:?}",
        at.elapsed()
    );
    let [done, dead, _, pending] = stopped.counts();
    assert!(
        done > 0 && dead == 0 && pending > 0,
        "{done} done, {dead} dead, {pending} pending"
    );
    api.come_up();
    assert_eq!(case.run(&[]).exits(0).counts(), [ROWS - done, 0, done, 0]);
}

#[test]
fn an_interrupt_before_the_first_record_stops_too() {
    let api = api();
    let case = Case::new(&api.base_url(), &FLOW.replace("in.jsonl", "pipe"));
    let made = std::process::Command::new("mkfifo")
        .arg(case.path("pipe"))
        .status();
    assert!(made.expect("mkfifo is there").success());
    let mut run = case.start_run(&[]);
    wait_until("the program is up", || {
        case.path(".tidegate").exists() || case.path("out.jsonl").exists() || run.has_ended()
    });
    run.signal(Signal::INT);
    wait_until("the program ends", || {
        run.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
        run.has_ended()
    });
    run.ends().exits(4);
}
