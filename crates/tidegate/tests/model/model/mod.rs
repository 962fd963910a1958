//! What the documentation says that a program does: one event after the other, no tasks, no clock.
//!
//! - A scope ends when its body is done and nothing runs in it or below: no child, no scope with a running child.
//! - Telling goes down to everything below at once, with one reason, which stays, and one instant. What has a grace runs
//!   on until the earliest of that instant plus its grace and the hard instants of its scope and of all above; the rest
//!   is dropped at its current await.
//! - A failure is recorded, then tells its scope. A failure of a background child is one of the scope that spawned it.
//! - That of a supervised child tells nobody: its handle has it; when that is dropped, before or after, its scope. What
//!   was kept last when the scope has ended is unclaimed. The failure of a supervised body leads, and tells.
//! - An open shield keeps its task, whatever its graces, until the hard instants, and what is inside hears nothing from
//!   above; once it has ended, what is still left below hears what stands above, as of that instant.
//! - A dropped scope is told, then its body is dropped; its parent waits for its children.

mod scopes;
mod tasks;
mod time;

use crate::{
    program::{Block, End, Grace, Kind, Knobs, Program, Step},
    seen::{Account, Ambient, Because, Event, Failure, Outcome, Shielded, Stopped, What, Why},
};
use std::sync::Arc;

/// Runs the program in the model.
pub(crate) fn run(program: &Program) -> Account {
    let mut model = Model::default();
    let top = model.open(None, program.top.name, &plain(), None, Role::Scope);
    let actor = Actor {
        scope: top,
        alone: None,
        frames: vec![Frame::new(&program.top, top, None, Vec::new())],
        result: None,
        handle: Handle::Held(None),
        is_child: false,
    };
    model.actors.push(actor);
    model.until_quiet();
    let outcome = loop {
        if let Some(outcome) = model.try_end(top) {
            break outcome;
        }
        model.now = model.next_instant().expect("a program waits for something");
        model.deadlines();
        model.until_quiet();
    };
    model.account.events.push(Event {
        block: program.top.name,
        at: model.now,
        what: What::Scope(outcome),
        ambient: Some(Ambient {
            reason: None,
            grace_left: None,
            remaining: None,
        }),
    });
    model.account
}

fn plain() -> Knobs {
    Knobs {
        supervised: false,
        timeout: None,
        grace: Grace::Default,
        cancel_on_leave: false,
        at_most: None,
    }
}

#[derive(Default)]
struct Model {
    now: u64,
    scopes: Vec<Scope>,
    actors: Vec<Actor>,
    account: Account,
}

struct Scope {
    name: &'static str,
    parent: Option<usize>,
    /// The child that has opened it.
    opener: Option<usize>,
    role: Role,
    supervised: bool,
    body_failed: bool,
    grace: Option<u64>,
    deadline: Option<(u64, usize)>,
    cancel_on_leave: bool,
    at_most: usize,
    told: Option<(Why, u64)>,
    hard: Option<u64>,
    running: usize,
    background: Option<usize>,
    failures: Vec<Failure>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Scope,
    /// Holds the background children of its parent.
    Hidden,
    /// The inside of a shield.
    Shield,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The body runs.
    Body,
    /// The body is done: with a value?
    Joining(bool),
    /// The future was dropped.
    Orphan,
    /// Nothing is left of it.
    Ended,
}

/// A task: a child, or what runs the whole program.
struct Actor {
    /// That counts it.
    scope: usize,
    /// What only it was told.
    alone: Option<(Why, u64)>,
    /// Bodies of scopes run inline, so a task is a stack.
    frames: Vec<Frame>,
    result: Option<Result<(), Stopped>>,
    handle: Handle,
    is_child: bool,
}

/// Of a supervised child.
#[derive(Clone, Copy)]
enum Handle {
    /// With the failure of the child, if there is one yet.
    Held(Option<Failure>),
    Dropped,
}

struct Frame {
    block: Arc<Block>,
    /// The next step.
    step: usize,
    wait: Wait,
    /// That the code is in.
    scope: usize,
    grace: Option<u64>,
    /// The scopes that the block is written in.
    around: Vec<usize>,
    tasks: Vec<Option<usize>>,
    started: bool,
    /// Was told before the task was woken: looks at its time only from the outside in.
    stays: bool,
    /// Whether a shield was open inside when it last looked.
    was_shielded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    Until(u64),
    Told {
        pause: u64,
    },
    Task {
        actor: usize,
        pause: u64,
    },
    Scope {
        scope: usize,
        give_up: Option<u64>,
        pause: u64,
    },
    Shield {
        shield: usize,
        until: u64,
        give_up: Option<u64>,
        pause: u64,
    },
}

impl Wait {
    /// The scope or the shield inside, when the wait for it is given up, and the pause then.
    fn inside(self) -> Option<(usize, Option<u64>, u64)> {
        match self {
            Wait::Scope {
                scope: inside,
                give_up,
                pause,
            }
            | Wait::Shield {
                shield: inside,
                give_up,
                pause,
                ..
            } => Some((inside, give_up, pause)),
            Wait::No | Wait::Until(_) | Wait::Told { .. } | Wait::Task { .. } => None,
        }
    }
}

impl Frame {
    fn new(block: &Arc<Block>, scope: usize, grace: Option<u64>, around: Vec<usize>) -> Frame {
        Frame {
            block: block.clone(),
            step: 0,
            wait: Wait::No,
            scope,
            grace,
            around,
            tasks: Vec::new(),
            started: false,
            stays: false,
            was_shielded: false,
        }
    }
}

/// What is seen.
impl Model {
    fn note(&mut self, actor: usize, depth: usize, what: What) {
        let told = self.told(actor, depth);
        let grace_left = told.map(|_| {
            let forced = self.forced_at(actor, depth).unwrap_or(self.now);
            forced.saturating_sub(self.now)
        });
        let frame = &self.actors[actor].frames[depth];
        let deadline = self.scopes[frame.scope].deadline;
        let ambient = Ambient {
            reason: told.map(|(why, _)| why),
            grace_left,
            remaining: deadline.map(|(at, _)| at.saturating_sub(self.now)),
        };
        let name = frame.block.name;
        self.push(name, what, Some(ambient));
    }

    fn push(&mut self, block: &'static str, what: What, ambient: Option<Ambient>) {
        self.account.events.push(Event {
            block,
            at: self.now,
            what,
            ambient,
        });
    }
}
