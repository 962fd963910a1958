use super::*;

const MS: Duration = Duration::from_millis(1);

fn queue(config: &config::Queue) -> (Queue, Instant) {
    (Queue::new(config), Instant::now())
}

fn join(queue: &mut Queue, rank: Rank, now: Instant) -> Ticket {
    queue.join(rank, Waker::noop(), AlarmKey::default(), None, now)
}

fn served(queue: &mut Queue, now: Instant) -> Vec<Ticket> {
    let mut order = Vec::new();
    while let Some(ticket) = queue.head(Order::ByAge, now) {
        assert!(!queue.leave(ticket).was_called);
        order.push(ticket);
    }
    order
}

#[test]
fn ranks_are_ahead_of_each_other_and_each_keeps_its_order() {
    let (mut queue, now) = queue(&config::Queue::default());
    let ranks = [
        Rank::Hedge,
        Rank::First,
        Rank::Retry,
        Rank::First,
        Rank::Retry,
    ];
    let [hedge, first, retry, second, again] = ranks.map(|rank| join(&mut queue, rank, now));
    assert_eq!(queue.waiting(), 4);
    let order = served(&mut queue, now);
    assert_eq!(order, [retry, again, first, second, hedge]);
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn the_newest_is_next_while_the_oldest_has_waited_long() {
    let (mut queue, now) = queue(&config::Queue::default());
    let [a, b, c] = [0, 50, 90].map(|ms| join(&mut queue, Rank::First, now + ms * MS));
    assert_eq!(queue.head(Order::ByAge, now + 99 * MS), Some(a));
    assert_eq!(queue.head(Order::ByAge, now + 100 * MS), Some(c));
    assert_eq!(queue.head(Order::OldestFirst, now + 100 * MS), Some(a));
    assert!(queue.stands_in_a_line(now + 100 * MS));
    queue.leave(a);
    // The oldest is `b` now, which came at 50.
    assert_eq!(queue.head(Order::ByAge, now + 149 * MS), Some(b));
    assert!(!queue.stands_in_a_line(now + 149 * MS));
}

#[test]
fn without_an_age_the_oldest_is_always_next() {
    let (mut queue, now) = queue(&config::Queue::default().oldest_first());
    let all = [0, 1, 2].map(|ms| join(&mut queue, Rank::First, now + ms * MS));
    assert_eq!(served(&mut queue, now + 1_000_000 * MS), all);
}

#[test]
fn one_that_was_called_and_does_not_come_loses_its_place_until_it_does() {
    let (mut queue, now) = queue(&config::Queue::default());
    let [absent, next] = [Rank::First; 2].map(|rank| join(&mut queue, rank, now));
    assert!(queue.call_head(Order::ByAge, now));
    assert_eq!(
        (queue.called(), queue.head(Order::ByAge, now)),
        (1, Some(next))
    );
    queue.give_up_overdue(now + OVERDUE - MS);
    assert_eq!(queue.called(), 1);
    queue.give_up_overdue(now + OVERDUE);
    assert_eq!(
        (queue.called(), queue.head(Order::ByAge, now)),
        (0, Some(next))
    );
    queue.stand(absent, Waker::noop(), AlarmKey::default());
    assert_eq!(queue.head(Order::ByAge, now), Some(absent));
    assert_eq!(queue.waiting(), 2);
}

#[test]
fn those_whose_time_is_over_are_passed_over_and_told() {
    let (mut queue, now) = queue(&config::Queue::default());
    let [soon, late] = [1, 50].map(|ms| {
        let expires = Some(now + ms * MS);
        queue.join(
            Rank::First,
            Waker::noop(),
            AlarmKey::default(),
            expires,
            now,
        )
    });
    assert_eq!(queue.expires(), Some(now + MS));
    assert_eq!(queue.head(Order::ByAge, now + MS), Some(late));
    queue.tell_expired(now + MS);
    assert_eq!(queue.expires(), Some(now + 50 * MS));
    queue.leave(soon);
    queue.tell_expired(now + 50 * MS);
    assert_eq!((queue.head(Order::ByAge, now), queue.waiting()), (None, 1));
}

/// Against lists that are searched from the start: whoever joins, leaves, is called, comes back, in any order.
mod model {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Join(Rank),
        Leave(usize),
        Stand(usize),
        Call,
        Wait(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        let rank = prop::sample::select(RANKS.to_vec());
        prop_oneof![
            4 => rank.prop_map(Act::Join),
            2 => (0usize..20).prop_map(Act::Leave),
            2 => (0usize..20).prop_map(Act::Stand),
            3 => Just(Act::Call),
            3 => (0u64..40).prop_map(Act::Wait),
        ]
    }

    #[derive(Debug)]
    struct Known {
        ticket: Ticket,
        rank: Rank,
        joined: Instant,
        in_line: bool,
        called: Option<Instant>,
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_list_does(acts in prop::collection::vec(act(), 1..200)) {
            let (mut queue, mut now) = queue(&config::Queue::default());
            let mut known: Vec<Known> = Vec::new();
            for act in acts {
                match act {
                    Act::Join(rank) => {
                        let ticket = join(&mut queue, rank, now);
                        known.push(Known { ticket, rank, joined: now, in_line: true, called: None });
                    }
                    Act::Leave(at) if at < known.len() => {
                        let left = known.remove(at);
                        prop_assert_eq!(queue.leave(left.ticket).was_called, left.called.is_some());
                    }
                    Act::Stand(at) if at < known.len() => {
                        queue.stand(known[at].ticket, Waker::noop(), AlarmKey::default());
                        (known[at].in_line, known[at].called) = (true, None);
                    }
                    Act::Leave(_) | Act::Stand(_) => {}
                    Act::Call => {
                        let head = next(&known, now);
                        prop_assert_eq!(queue.call_head(Order::ByAge, now), head.is_some());
                        if let Some(at) = head {
                            (known[at].in_line, known[at].called) = (false, Some(now));
                        }
                    }
                    Act::Wait(ms) => {
                        now += Duration::from_millis(ms);
                        queue.give_up_overdue(now);
                        for waiter in &mut known {
                            waiter.called = waiter.called.filter(|at| *at + OVERDUE > now);
                        }
                    }
                }
                prop_assert_eq!(queue.head(Order::ByAge, now), next(&known, now).map(|at| known[at].ticket));
                prop_assert_eq!(queue.called(), known.iter().filter(|waiter| waiter.called.is_some()).count());
                prop_assert_eq!(queue.waiting(), known.iter().filter(|waiter| waiter.rank != Rank::Hedge).count());
            }
        }
    }

    fn next(known: &[Known], now: Instant) -> Option<usize> {
        RANKS.into_iter().find_map(|rank| {
            let mut line =
                (0..known.len()).filter(|at| known[*at].rank == rank && known[*at].in_line);
            let oldest = line.next()?;
            let stands = now - known[oldest].joined >= 100 * MS;
            if stands {
                line.next_back().or(Some(oldest))
            } else {
                Some(oldest)
            }
        })
    }
}
