//! Random programs.

use crate::program::{Block, End, Grace, Kind, Knobs, Program, Step, Ticks};
use proptest::{collection::vec, option, prelude::*};
use std::sync::Arc;

pub(crate) fn program() -> impl Strategy<Value = Program> {
    (block(), any::<bool>()).prop_map(|(raw, supervised)| Program::of(&raw, supervised))
}

fn block() -> impl Strategy<Value = Block> {
    let inner =
        block_of(simple_step(), 0..4).prop_recursive(3, 40, 5, |inner| block_of(step(inner), 1..5));
    block_of(step(inner), 1..7)
}

fn block_of(
    step: impl Strategy<Value = Step>,
    steps: std::ops::Range<usize>,
) -> impl Strategy<Value = Block> {
    (vec(step, steps), end()).prop_map(|(steps, end)| Block {
        name: "",
        steps,
        end,
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![6 => Just(End::Value), 2 => Just(End::Error), 1 => Just(End::Panic)]
}

fn ticks() -> impl Strategy<Value = Ticks> {
    (0..4_u64).prop_map(Ticks)
}

fn simple_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => ticks().prop_map(Step::Sleep),
        2 => (0..6_usize, option::weighted(0.7, ticks()))
            .prop_map(|(whom, grace)| Step::Cancel { whom, grace, why: "" }),
        1 => ticks().prop_map(|pause| Step::AwaitTold { pause }),
    ]
}

fn step(inner: impl Strategy<Value = Block> + Clone + 'static) -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        4 => Just(Kind::Plain),
        4 => ticks().prop_map(Kind::Grace),
        2 => Just(Kind::Background),
    ];
    let work = inner.clone().prop_map(Arc::new);
    let body = inner.clone().prop_map(Arc::new);
    let shielded = inner.prop_map(Arc::new);
    prop_oneof![
        3 => simple_step(),
        6 => (0..4_usize, kind, work).prop_map(|(into, kind, work)| Step::Spawn { into, kind, work, holds: true }),
        4 => (knobs(), option::weighted(0.25, ticks()), body, ticks()).prop_map(
            |(knobs, drop_after, body, pause)| Step::Open { knobs, drop_after, body, pause }
        ),
        3 => (ticks(), option::weighted(0.2, ticks()), shielded, ticks()).prop_map(
            |(within, drop_after, work, pause)| Step::Shield { within, drop_after, work, pause }
        ),
        2 => (0..4_usize, ticks()).prop_map(|(task, pause)| Step::Stop { task, why: "", pause }),
        4 => (0..4_usize, ticks()).prop_map(|(task, pause)| Step::AwaitTask { task, pause }),
        1 => (0..4_usize).prop_map(|task| Step::Forget { task }),
    ]
}

fn knobs() -> impl Strategy<Value = Knobs> {
    let grace = prop_oneof![
        5 => Just(Grace::Default),
        1 => Just(Grace::Zero),
        4 => ticks().prop_map(Grace::Some),
    ];
    (
        prop::bool::weighted(0.4),
        option::weighted(0.3, ticks()),
        grace,
        prop::bool::weighted(0.2),
        option::weighted(0.15, 1..3_usize),
    )
        .prop_map(
            |(supervised, timeout, grace, cancel_on_leave, at_most)| Knobs {
                supervised,
                timeout,
                grace,
                cancel_on_leave,
                at_most,
            },
        )
}
