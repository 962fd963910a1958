use super::*;
use crate::overload::{ServiceTime, Trouble};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// Two workers, 10 ms a request.
fn two_workers() -> Service {
    Service::workers(2, ServiceTime::fixed(10 * MS))
}

struct Bench {
    station: Station<u64>,
    began: Instant,
}

impl Bench {
    fn of(service: Service, troubles: &[Trouble]) -> Self {
        let began = Instant::now();
        let troubles = troubles
            .iter()
            .map(|trouble| (Duration::ZERO..LONG, *trouble));
        let troubles = Troubles::new(began, troubles.collect());
        Self {
            station: Station::new(service, troubles, Rng::with_seed(1)),
            began,
        }
    }

    fn arrive(&mut self, at: Duration) -> Id {
        self.arrive_expiring(at, None)
    }

    fn arrive_expiring(&mut self, at: Duration, expires: Option<Duration>) -> Id {
        let (now, next) = (self.began + at, self.station.arrived + 1);
        assert!(self.station.advance(now).is_empty());
        let expires = expires.map(|at| self.began + at);
        self.station.arrive(now, expires, next)
    }

    fn give_up(&mut self, id: Id, at: Duration) {
        let now = self.began + at;
        assert!(self.station.advance(now).is_empty());
        self.station.give_up(id, now);
    }

    /// All answers, as (ms, id, answer).
    fn rest(&mut self) -> Vec<(u128, u64, Answer)> {
        let mut all = Vec::new();
        while let Some(at) = self.station.next_event() {
            let ms = (at - self.began).as_millis();
            let answers = self.station.advance(at);
            all.extend(answers.into_iter().map(|(id, answer)| (ms, id, answer)));
        }
        assert!(self.station.requests.is_empty() && self.station.queue.is_empty());
        all
    }
}

#[test]
fn the_oldest_is_next_at_the_instant_at_which_a_worker_is_free() {
    let mut bench = Bench::of(two_workers(), &[]);
    for at in [0, 1, 2, 3, 4] {
        bench.arrive(at * MS);
    }
    let done = [
        (10, 1, Ok(())),
        (11, 2, Ok(())),
        (20, 3, Ok(())),
        (21, 4, Ok(())),
        (30, 5, Ok(())),
    ];
    assert_eq!(bench.rest(), done);
    assert_eq!(bench.station.worked, 50 * MS);
}

#[test]
fn many_late_looks_cost_no_capacity() {
    let mut bench = Bench::of(Service::workers(1, ServiceTime::fixed(MS / 3)), &[]);
    for _ in 0..3_000 {
        bench.arrive(Duration::ZERO);
    }
    let second = bench.began + Duration::from_secs(1);
    assert_eq!(bench.station.advance(second).len(), 3_000);
}

#[test]
fn a_full_queue_says_no_in_a_millisecond() {
    let mut bench = Bench::of(two_workers().queue(1), &[]);
    for _ in 0..4 {
        bench.arrive(Duration::ZERO);
    }
    let overloaded = Err(ServiceError::Overloaded);
    let all = [
        (1, 4, overloaded),
        (10, 1, Ok(())),
        (10, 2, Ok(())),
        (20, 3, Ok(())),
    ];
    assert_eq!(bench.rest(), all);
}

#[test]
fn what_was_given_up_is_served_all_the_same_and_wasted() {
    let mut bench = Bench::of(two_workers(), &[]);
    for _ in 0..3 {
        bench.arrive(Duration::ZERO);
    }
    bench.give_up(1, 5 * MS);
    bench.give_up(3, 5 * MS);
    assert_eq!(bench.rest(), [(10, 2, Ok(()))]);
    assert_eq!(
        (bench.station.worked, bench.station.wasted),
        (30 * MS, 20 * MS)
    );
}

#[test]
fn a_service_that_stops_what_was_given_up_has_its_worker_back_at_once() {
    let mut bench = Bench::of(two_workers().stop_given_up(), &[]);
    for _ in 0..4 {
        bench.arrive(Duration::ZERO);
    }
    bench.give_up(3, 4 * MS);
    bench.give_up(1, 5 * MS);
    assert_eq!(bench.rest(), [(10, 2, Ok(())), (15, 4, Ok(()))]);
    assert_eq!(
        (bench.station.worked, bench.station.wasted),
        (25 * MS, 5 * MS)
    );
}

#[test]
fn what_is_overdue_at_its_turn_is_dropped() {
    let mut bench = Bench::of(
        Service::workers(1, ServiceTime::fixed(10 * MS)).drop_expired(),
        &[],
    );
    bench.arrive(Duration::ZERO);
    bench.arrive_expiring(Duration::ZERO, Some(10 * MS));
    bench.arrive_expiring(Duration::ZERO, Some(11 * MS));
    assert_eq!(bench.rest(), [(10, 1, Ok(())), (20, 3, Ok(()))]);
    assert_eq!(bench.station.worked, 20 * MS);
}

#[test]
fn an_outage_answers_nothing_and_a_late_answer_costs_no_worker() {
    let mut bench = Bench::of(two_workers(), &[Trouble::silent()]);
    bench.arrive(Duration::ZERO);
    bench.give_up(1, MS);
    assert_eq!((bench.rest(), bench.station.idle), (vec![], 2));

    let mut bench = Bench::of(two_workers(), &[Trouble::never_under(50 * MS)]);
    for _ in 0..4 {
        bench.arrive(Duration::ZERO);
    }
    bench.give_up(4, 30 * MS);
    let late = [1, 2, 3].map(|id| (50, id, Ok(())));
    assert_eq!(bench.rest(), late);
    assert_eq!(bench.station.wasted, 10 * MS);
}
