//! Programs: trees of scopes and what the work in them does.
//!
//! A raw program is what proptest makes and shrinks. `Program::of` makes it one whose meaning the documentation fixes:
//! every time-span gets a bit of its own, so that two events share a tick only when one is the cause of the other, and
//! what several tasks woken by one cause would do to each other is put off by such a span (see `Shaping`).

use std::{
    fmt::{self, Display},
    sync::{Arc, LazyLock},
};

/// A time-span in ticks, which are milliseconds of the paused clock. In a raw program: its coarse part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks(pub(crate) u64);

const SPANS: u32 = 28;
/// When whatever still waits is dropped; later than the sum of all spans.
const END: Ticks = Ticks(1 << 35);

#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Sleep(Ticks),
    /// Scopes are numbered from the outermost that the block is written in; in a raw program, from the innermost.
    Spawn {
        into: usize,
        kind: Kind,
        work: Arc<Block>,
        /// Or the handle is dropped at once. In a raw program: always.
        holds: bool,
    },
    Cancel {
        whom: usize,
        grace: Option<Ticks>,
        why: &'static str,
    },
    Open {
        knobs: Knobs,
        drop_after: Option<Ticks>,
        body: Arc<Block>,
        pause: Ticks,
    },
    Shield {
        within: Ticks,
        drop_after: Option<Ticks>,
        work: Arc<Block>,
        pause: Ticks,
    },
    AwaitTold {
        pause: Ticks,
    },
    /// Tells one of the block's earlier spawns alone.
    Stop {
        task: usize,
        why: &'static str,
        pause: Ticks,
    },
    /// The number of one of the block's earlier spawns that are no background.
    AwaitTask {
        task: usize,
        pause: Ticks,
    },
    /// Drops the handle of one of them.
    Forget {
        task: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Plain,
    Grace(Ticks),
    Background,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    pub(crate) supervised: bool,
    pub(crate) timeout: Option<Ticks>,
    pub(crate) grace: Grace,
    pub(crate) cancel_on_leave: bool,
    pub(crate) at_most: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Grace {
    Default,
    Zero,
    Some(Ticks),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Value,
    Error,
    Panic,
}

#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) top: Arc<Block>,
}

impl Program {
    pub(crate) fn of(raw: &Block, supervised: bool) -> Program {
        let mut shaping = Shaping {
            spans: 0,
            kept: 0,
            names: 0,
            any_background: has_background(raw),
            tasks: 0,
            holders: vec![None],
        };
        let knobs = Knobs {
            supervised,
            timeout: None,
            grace: Grace::Default,
            cancel_on_leave: false,
            at_most: None,
        };
        let mut place = Place {
            task: 0,
            limited: vec![false],
            supervised: vec![supervised.then_some(0)],
            held: None,
            foreign: 0,
            in_background: false,
            in_shield: false,
            sections: 1,
            woken: true,
            fresh: false,
            cut: false,
        };
        let pause = shaping.span(Ticks(0));
        let top = Block {
            name: shaping.name(),
            steps: vec![],
            end: End::Value,
        };
        let body = Arc::new(shaping.block(raw, &mut place, true));
        let open = Step::Open {
            knobs,
            drop_after: Some(END),
            body,
            pause,
        };
        let top = Arc::new(Block {
            steps: vec![open],
            ..top
        });
        Program { top }
    }
}

fn has_background(block: &Block) -> bool {
    block.steps.iter().any(|step| match step {
        Step::Spawn { kind, work, .. } => matches!(kind, Kind::Background) || has_background(work),
        Step::Open { body, .. } => has_background(body),
        Step::Shield { work, .. } => has_background(work),
        _ => false,
    })
}

/// What has been given out while a raw program is shaped.
///
/// A *loud* step is one that other tasks notice, or that notices them: a cancel, an error, a panic, taking one of few
/// places, a spawn into a scope that may just be ending, and, where there are background children, an end. Tasks that one cause started run their first steps at one tick in an order that
/// nobody promises, so in those a loud step is preceded by a sleep. So is the end of a child that has just spawned a
/// background one, which may not have begun then.
struct Shaping {
    spans: u32,
    /// Spans that the open blocks may still need for such sleeps.
    kept: u32,
    names: usize,
    any_background: bool,
    tasks: usize,
    /// By supervised scope: the one task that holds handles of its children, if one does yet. Of two tasks that are dropped
    /// at one tick nobody promises which drops its handles first, and with that the order of the failures.
    holders: Vec<Option<usize>>,
}

/// Where in the program a step is.
#[derive(Clone)]
struct Place {
    task: usize,
    /// The scopes around it: have they few places?
    limited: Vec<bool>,
    /// Their numbers among the supervised.
    supervised: Vec<Option<usize>>,
    /// The one that cannot end before the task does, and the number of those that are not the task's own.
    held: Option<usize>,
    foreign: usize,
    in_background: bool,
    /// Or in a child of one that is.
    in_shield: bool,
    /// How many of the task's sections a shield would hold that none inside of another one holds. With two of them, what
    /// is outside may or may not hear how the inner one ended, when that is cut.
    sections: usize,
    /// No other task can have been woken by the cause of this step.
    woken: bool,
    /// A child was spawned since the last await: a background one, or any inside of a shield. What is outside of a shield
    /// and is to be dropped in the same tick may be so before or after that begins.
    fresh: bool,
    /// A cancel in a shield since the last await. It may have been the end of the shield, and a child that is spawned now
    /// may begin before that or not.
    cut: bool,
}

impl Shaping {
    fn name(&mut self) -> &'static str {
        static NAMES: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| (0..99).map(|n| &*format!("b{n}").leak()).collect());
        self.names += 1;
        NAMES[self.names - 1]
    }

    fn has(&self, spans: u32) -> bool {
        self.spans + self.kept + spans <= SPANS && self.names < 95
    }

    fn span(&mut self, raw: Ticks) -> Ticks {
        self.spans += 1;
        Ticks((raw.0 << SPANS) | 1 << (self.spans - 1))
    }

    fn maybe(&mut self, raw: Option<Ticks>) -> Option<Ticks> {
        raw.map(|raw| self.span(raw))
    }

    fn wake(&mut self, steps: &mut Vec<Step>, place: &mut Place, kept: &mut u32) {
        if !place.woken || place.fresh {
            *kept -= 1;
            self.kept -= 1;
            steps.push(Step::Sleep(self.span(Ticks(0))));
            (place.woken, place.fresh, place.cut) = (true, false, false);
        }
    }

    fn block(&mut self, raw: &Block, place: &mut Place, is_body: bool) -> Block {
        let name = self.name();
        let mut kept = 2;
        self.kept += kept;
        let mut steps = Vec::new();
        let mut tasks = 0;
        for step in &raw.steps {
            self.step(step, &mut steps, place, &mut tasks, &mut kept);
        }
        let loud = raw.end != End::Value || (self.any_background && !is_body);
        // A panic in a shield is the end of the child around it.
        let is_end = !is_body || raw.end == End::Panic;
        if (loud && !place.woken) || (place.fresh && is_end) {
            self.wake(&mut steps, place, &mut kept);
        }
        self.kept -= kept;
        Block {
            name,
            steps,
            end: raw.end,
        }
    }

    fn step(
        &mut self,
        raw: &Step,
        steps: &mut Vec<Step>,
        place: &mut Place,
        tasks: &mut usize,
        kept: &mut u32,
    ) {
        let around = place.limited.len();
        match raw {
            Step::Sleep(raw) if self.has(1) => {
                steps.push(Step::Sleep(self.span(*raw)));
                (place.woken, place.fresh, place.cut) = (true, false, false);
            }
            Step::Spawn {
                into, kind, work, ..
            } if self.has(4) => {
                let into = around - 1 - into % around;
                let may_end = into < place.foreign && Some(into) != place.held;
                if (place.limited[into] || may_end) && !place.woken {
                    self.wake(steps, place, kept);
                }
                if place.cut {
                    steps.push(Step::Sleep(self.span(Ticks(0))));
                    (place.woken, place.fresh, place.cut) = (true, false, false);
                }
                let background = matches!(kind, Kind::Background);
                let kind = match kind {
                    Kind::Grace(raw) => Kind::Grace(self.span(*raw)),
                    other => *other,
                };
                let holds = !background && self.may_hold(into, place);
                self.tasks += 1;
                let mut inside = Place {
                    task: self.tasks,
                    limited: place.limited.clone(),
                    supervised: place.supervised.clone(),
                    held: (!background).then_some(into),
                    foreign: around,
                    in_background: place.in_background || background,
                    in_shield: place.in_shield,
                    sections: 1,
                    woken: false,
                    fresh: false,
                    cut: false,
                };
                let work = Arc::new(self.block(work, &mut inside, false));
                *tasks += usize::from(!background);
                // The block's end may be what has the background told, and with it a scope that is open there.
                place.fresh |= background || place.in_shield || place.in_background;
                steps.push(Step::Spawn {
                    into,
                    kind,
                    work,
                    holds,
                });
            }
            Step::Cancel { whom, grace, .. } if self.has(2) => {
                if !place.woken {
                    self.wake(steps, place, kept);
                } else if place.fresh && place.in_shield {
                    steps.push(Step::Sleep(self.span(Ticks(0))));
                    place.fresh = false;
                }
                steps.push(Step::Cancel {
                    whom: around - 1 - whom % around,
                    grace: self.maybe(*grace),
                    why: self.name(),
                });
                place.cut |= place.in_shield;
            }
            Step::Open {
                knobs,
                drop_after,
                body,
                pause,
            } if self.has(6) => {
                let knobs = Knobs {
                    timeout: self.maybe(knobs.timeout),
                    grace: match knobs.grace {
                        Grace::Some(raw) => Grace::Some(self.span(raw)),
                        other => other,
                    },
                    ..*knobs
                };
                let drop_after = self.maybe(*drop_after);
                let pause = self.span(*pause);
                place.limited.push(knobs.at_most.is_some());
                place.supervised.push(knobs.supervised.then(|| {
                    self.holders.push(None);
                    self.holders.len() - 1
                }));
                place.sections += 1;
                let body = Arc::new(self.block(body, place, true));
                place.limited.pop();
                place.supervised.pop();
                place.sections -= 1;
                steps.push(Step::Open {
                    knobs,
                    drop_after,
                    body,
                    pause,
                });
                (place.woken, place.fresh, place.cut) = (true, false, false);
            }
            Step::Shield {
                within,
                drop_after,
                work,
                pause,
            } if self.has(5) && place.sections < 2 => {
                let within = self.span(*within);
                let drop_after = self.maybe(*drop_after);
                let pause = self.span(*pause);
                let (in_shield, sections) = (place.in_shield, place.sections);
                (place.in_shield, place.sections) = (true, 0);
                let work = Arc::new(self.block(work, place, true));
                (place.in_shield, place.sections) = (in_shield, sections);
                steps.push(Step::Shield {
                    within,
                    drop_after,
                    work,
                    pause,
                });
                (place.woken, place.fresh, place.cut) = (true, false, false);
            }
            Step::AwaitTold { pause } if self.has(1) => {
                let pause = self.span(*pause);
                steps.push(Step::AwaitTold { pause });
                (place.woken, place.fresh, place.cut) = (true, false, false);
            }
            // What it ends may be what keeps a background child from being told: none may have just been spawned.
            Step::Stop { task, pause, .. } if *tasks > 0 && self.has(1) && !place.fresh => {
                if !place.woken {
                    self.wake(steps, place, kept);
                }
                steps.push(Step::Stop {
                    task: task % *tasks,
                    why: self.name(),
                    pause: self.span(*pause),
                });
            }
            // A background child may be told by the very end that it awaits.
            Step::AwaitTask { task, pause }
                if *tasks > 0 && self.has(1) && !place.in_background =>
            {
                steps.push(Step::AwaitTask {
                    task: task % *tasks,
                    pause: self.span(*pause),
                });
                // Not `woken`: when there is no such task, nothing is awaited.
            }
            Step::Forget { task } if *tasks > 0 => {
                let task = task % *tasks;
                steps.push(Step::Forget { task });
            }
            _ => {}
        }
    }

    /// Whether the task may hold the handle of a child in `into`: no other does, and the scope cannot end before it.
    fn may_hold(&mut self, into: usize, place: &Place) -> bool {
        let Some(scope) = place.supervised[into] else {
            return true;
        };
        let outlives = into < place.foreign && place.held.is_none_or(|held| into > held);
        !outlives && *self.holders[scope].get_or_insert(place.task) == place.task
    }
}

impl Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_ticks(f, self.0)
    }
}

/// A sum of spans: the coarse part, then the spans that are in it.
fn show_ticks(f: &mut fmt::Formatter<'_>, mut ticks: u64) -> fmt::Result {
    f.write_str("t")?;
    if ticks & END.0 != 0 {
        ticks -= END.0;
        f.write_str("END+")?;
    }
    write!(f, "{}", ticks >> SPANS)?;
    for bit in (0..SPANS).filter(|bit| ticks & (1 << bit) != 0) {
        write!(f, ".{bit}")?;
    }
    Ok(())
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nscope {}", self.top.name)?;
        show_block(f, &self.top, &mut Vec::new(), 0)
    }
}

fn show_block(
    f: &mut fmt::Formatter<'_>,
    block: &Block,
    scopes: &mut Vec<&'static str>,
    depth: usize,
) -> fmt::Result {
    let pad = "    ".repeat(depth);
    writeln!(f, " {{")?;
    for step in &block.steps {
        write!(f, "{pad}    ")?;
        match step {
            Step::Sleep(span) => writeln!(f, "sleep {span}")?,
            Step::Spawn {
                into,
                kind,
                work,
                holds,
            } => {
                let into = scopes[*into];
                if !holds && !matches!(kind, Kind::Background) {
                    write!(f, "unheld, ")?;
                }
                match kind {
                    Kind::Plain => write!(f, "spawn {} into {into}", work.name)?,
                    Kind::Grace(grace) => {
                        write!(f, "spawn {} into {into}, grace {grace}", work.name)?;
                    }
                    Kind::Background => write!(f, "spawn {} into {into}, background", work.name)?,
                }
                show_block(f, work, scopes, depth + 1)?;
                writeln!(f)?;
            }
            Step::Cancel { whom, grace, why } => {
                write!(f, "cancel {} because {why}, grace ", scopes[*whom])?;
                match grace {
                    Some(grace) => writeln!(f, "{grace}")?,
                    None => writeln!(f, "0")?,
                }
            }
            Step::Open {
                knobs,
                drop_after,
                body,
                pause,
            } => {
                write!(f, "scope {}", body.name)?;
                show_knobs(f, knobs)?;
                if let Some(after) = drop_after {
                    write!(f, ", dropped after {after}")?;
                }
                scopes.push(body.name);
                show_block(f, body, scopes, depth + 1)?;
                scopes.pop();
                writeln!(f, ", pause {pause}")?;
            }
            Step::Shield {
                within,
                drop_after,
                work,
                pause,
            } => {
                write!(f, "shield {} for {within}", work.name)?;
                if let Some(after) = drop_after {
                    write!(f, ", dropped after {after}")?;
                }
                show_block(f, work, scopes, depth + 1)?;
                writeln!(f, ", pause {pause}")?;
            }
            Step::AwaitTold { pause } => writeln!(f, "await being told, pause {pause}")?,
            Step::Stop { task, why, pause } => {
                writeln!(f, "cancel task #{task} because {why}, pause {pause}")?;
            }
            Step::AwaitTask { task, pause } => writeln!(f, "await task #{task}, pause {pause}")?,
            Step::Forget { task } => writeln!(f, "forget task #{task}")?,
        }
    }
    write!(f, "{pad}    {:?}\n{pad}}}", block.end)
}

fn show_knobs(f: &mut fmt::Formatter<'_>, knobs: &Knobs) -> fmt::Result {
    if knobs.supervised {
        write!(f, ", supervised")?;
    }
    if let Some(timeout) = knobs.timeout {
        write!(f, ", timeout {timeout}")?;
    }
    match knobs.grace {
        Grace::Default => {}
        Grace::Zero => write!(f, ", grace 0")?,
        Grace::Some(grace) => write!(f, ", grace {grace}")?,
    }
    if knobs.cancel_on_leave {
        write!(f, ", cancel on leave")?;
    }
    if let Some(n) = knobs.at_most {
        write!(f, ", at most {n}")?;
    }
    Ok(())
}
