//! From a plan to a running engine.

use super::{Live, RunError, run::Engine};
use crate::{
    call::{Bell, Service, Work},
    expr::{Globals, RunInfo},
    journal::{Begin, FlowState, Mark, Phase, Settled, SourceMark, now, run_name},
    output::{self, Manner, Shape, Writer},
    plan::{MAX_STEPS, Order, Plan, SinkPlan, SinkTarget},
    record::{self, Matching, Reader},
    report::Report,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tidegate::{
    Opts, RefusedBecause, ScopeError, scope,
    stream::{Drain, channel},
};
use tidegate_sql::Access;

/// Batches of records between the reader's thread and the engine.
const FEED: usize = 2;

/// Children of a run's scope beside its records: the reader, the writer, and some to spare.
const THREADS: usize = 8;

/// Which records a run works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those of the source, after the dead letters that are marked for retry.
    #[default]
    All,
    /// Only the dead letters that are marked for retry.
    Marked,
}

/// The flags of `run`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Work on at most this many records.
    pub limit: Option<u64>,
    /// Forget the journal, move file outputs aside, start over.
    pub fresh: bool,
    /// Go on although the flow means something else.
    pub accept_flow_change: bool,
    /// The folder of the journal, unless the sink holds it; default `.tidegate` beside the flow file.
    pub state: Option<PathBuf>,
    /// How long started work may take to finish once the run is to stop; default 10 s.
    pub grace: Duration,
    /// Which records.
    pub which: Which,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            limit: None,
            fresh: false,
            accept_flow_change: false,
            state: None,
            grace: Duration::from_secs(10),
            which: Which::All,
        }
    }
}

pub(super) async fn run(
    plan: Arc<Plan>,
    options: Options,
    live: Arc<Live>,
) -> Result<Report, RunError> {
    let Prepared {
        engine,
        reader,
        write,
    } = prepare(&plan, &options, live)?;
    let most = plan.records.in_flight + THREADS;
    let opts = Opts::named("flow").max_children(most).grace(options.grace);
    let ended = scope(opts, async move |scope: &tidegate::Scope<RunError>| {
        let no_thread =
            |thread: &str| RunError::Internal(format!("the {thread} could not be started"));
        let writing = scope.spawn_thread("writer", move |_| {
            write();
            Ok(())
        });
        // The scope waits for its threads; there is no value to await.
        match writing.map(drop).map_err(|refused| refused.because) {
            Ok(()) => {}
            Err(RefusedBecause::Cancelling(why)) => return Ok(engine.never_began(why)),
            Err(_) => return Err(no_thread("writer")),
        }
        let reading = scope.spawn_thread("reader", move |_| {
            reader.run();
            Ok(())
        });
        match reading.map(drop).map_err(|refused| refused.because) {
            // The engine hears the same word before it asks for a record.
            Ok(()) | Err(RefusedBecause::Cancelling(_)) => {}
            Err(_) => return Err(no_thread("reader")),
        }
        engine.run(scope).await
    })
    .await;
    ended.map_err(|error| match error {
        ScopeError::Failed(failures) => match failures.first.what {
            tidegate::What::Error(error) => error,
            what => RunError::Internal(format!("a bug in tidegate: {what:?}")),
        },
        other => RunError::Internal(format!("the run was cut short: {other}")),
    })
}

/// Everything open and begun, before the first thread.
struct Prepared<W> {
    engine: Engine,
    reader: Reader,
    /// The body of the writer's thread.
    write: W,
}

fn prepare(
    plan: &Arc<Plan>,
    options: &Options,
    live: Arc<Live>,
) -> Result<Prepared<impl FnOnce() + Send + 'static>, RunError> {
    if plan.steps.len() > MAX_STEPS {
        return Err(RunError::TooManySteps(plan.steps.len()));
    }
    let reads_source = options.which == Which::All;
    if !reads_source && !can_retry(plan) {
        return Err(RunError::OutOfOrder);
    }
    let stop_reading = Arc::new(AtomicBool::new(false));
    let shape = Shape::new(plan, &columns(plan, &stop_reading)?);
    let place = output::place(plan, options.state.as_deref());
    let manner = Manner {
        fresh: options.fresh,
        accept_flow_change: options.accept_flow_change,
        reads_source,
    };
    let mut opened = output::open(plan, &shape, &place, manner)?;
    opened.notes.drain(..).for_each(|note| live.note(note));
    if !opened.exactly_once && plan.sink.is_some() {
        live.note("the output cannot be cut back: after a crash some rows come twice".to_owned());
    }
    let fingerprint = record::fingerprint(plan).filter(|_| reads_source);
    let start = if reads_source {
        Start::find(plan, &opened.state, fingerprint.as_ref())
    } else {
        Start::after(&opened.state)
    };
    if let Some(note) = &start.note {
        live.note(note.clone());
    }
    begin(
        plan,
        &mut opened,
        &start,
        fingerprint.as_ref(),
        reads_source,
    )?;
    let state = opened.state.clone();
    let globals = globals(plan, &state);
    let work = work(plan, &globals, shape, state.journal)?;
    show_services(&live, &work);
    let source = reads_source
        .then(|| record::Opened::open(plan, start.mark, &stop_reading))
        .transpose()?;
    show_start(&live, plan, &start, fingerprint.as_ref());
    let (feed, incoming) = channel(FEED);
    let reader = Reader {
        plan: plan.clone(),
        globals,
        source,
        matching: start.matching,
        position: start.position,
        after: start.mark,
        connection: tidegate_sql::open(&place.database, Access::ReadOnly)?,
        journal: opened.journal,
        feed,
        may_wait: reads_source && !record::is_stored(plan),
    };
    let (writer, write) = Writer::new(opened);
    let settled = if start.anew {
        Settled::default()
    } else {
        state.settled.clone()
    };
    let engine = Engine::new(
        work,
        options.clone(),
        live,
        &state,
        settled,
        start.mark,
        fingerprint,
        incoming,
        writer,
        stop_reading,
    );
    Ok(Prepared {
        engine,
        reader,
        write,
    })
}

/// The source's columns, which the sink needs before the journal says where reading goes on.
fn columns(plan: &Plan, stop_reading: &Arc<AtomicBool>) -> Result<Vec<String>, RunError> {
    if !record::has_columns(plan) {
        return Ok(Vec::new());
    }
    let source = record::Opened::open(plan, Mark::default(), stop_reading)?;
    Ok(source.columns().to_vec())
}

/// Writes down that a run has begun, and brings what was read of the journal up to that.
fn begin(
    plan: &Plan,
    opened: &mut output::Opened,
    start: &Start,
    source: Option<&SourceMark>,
    reads_source: bool,
) -> Result<(), RunError> {
    // A finished flow that runs again is a new run; an unfinished one keeps its name and its start.
    let again =
        (reads_source && opened.state.phase == Phase::Finished).then(|| (run_name(), now()));
    let begin = Begin {
        meaning: plan.meaning,
        source,
        output: opened.first_output.as_ref(),
        dead_file: plan.dead_letter.is_some() || opened.state.dead_file,
        reads_source,
        count_anew: start.anew,
        new_run: again
            .as_ref()
            .map(|(run, started)| (run.as_str(), started.as_str())),
    };
    let forgotten = opened.journal.begin(&mut opened.connection, &begin)?;
    if forgotten > 0 {
        // Lines that were torn when the last run ended are read again, so they are not dead yet.
        opened.state.dead -= forgotten;
        if let Some(file) = &mut opened.dead_file {
            file.render_again(&opened.connection, &opened.journal)?;
        }
    }
    if let Some((run, started)) = again {
        opened.state.run = run;
        opened.state.started = started;
    }
    Ok(())
}

fn globals(plan: &Plan, state: &FlowState) -> Arc<Globals> {
    let run = RunInfo {
        id: state.run.clone(),
        started: state.started.clone(),
    };
    let steps = plan.steps.iter().map(|step| step.name.clone()).collect();
    Arc::new(Globals::new(
        steps,
        plan.env.clone(),
        plan.vars.clone(),
        run,
    ))
}

fn work(
    plan: &Arc<Plan>,
    globals: &Arc<Globals>,
    shape: Shape,
    journal: [u8; 16],
) -> Result<Arc<Work>, RunError> {
    let waiting = plan.records.in_flight.saturating_mul(plan.widest_fan_out());
    let services = plan
        .services
        .iter()
        .map(|service| Service::new(service, globals, waiting))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Work {
        plan: plan.clone(),
        globals: globals.clone(),
        services,
        shape,
        journal,
        drain: Drain::new(),
        bell: Bell::default(),
        begun: AtomicUsize::new(0),
    }))
}

fn show_services(live: &Live, work: &Work) {
    let services = work.plan.services.iter().zip(&work.services);
    let shown = services.map(|(plan, service)| {
        let rate = plan.rate_text.clone();
        (
            plan.name.clone(),
            rate,
            plan.in_flight,
            service.policy.clone(),
        )
    });
    live.set_services(shown.collect());
}

fn show_start(live: &Live, plan: &Plan, start: &Start, source: Option<&SourceMark>) {
    // Of a compressed file the bytes that are read are not those on disk.
    if let Some(source) = source.filter(|_| !record::is_compressed(plan)) {
        live.total_bytes.get_or_init(|| source.size);
    }
    live.first_byte.store(start.mark.offset, Relaxed);
    live.read_bytes.store(start.mark.offset, Relaxed);
    live.skipped.store(start.skipped, Relaxed);
}

/// Whether a dead letter that is done after all can still go where it belongs.
pub fn can_retry(plan: &Plan) -> bool {
    let is_file = |sink: &SinkPlan| !matches!(sink.target, SinkTarget::Sqlite { .. });
    plan.records.order == Order::Any || !plan.sink.as_ref().is_some_and(is_file)
}

/// Where and how reading begins.
struct Start {
    mark: Mark,
    /// The position of the first record that is read.
    position: u64,
    matching: Matching,
    /// Positions are counted anew.
    anew: bool,
    /// Records settled by an earlier run that are not met again.
    skipped: u64,
    note: Option<String>,
}

impl Start {
    /// Nothing is read: positions stay as they are.
    fn after(state: &FlowState) -> Start {
        Start {
            mark: state.mark,
            position: state.settled.mark(),
            matching: Matching::Position(state.settled.clone()),
            anew: false,
            skipped: state.settled.count(),
            note: None,
        }
    }

    fn find(plan: &Plan, state: &FlowState, now: Option<&SourceMark>) -> Start {
        let settled = state.settled.count();
        let nothing_known = settled == 0 && state.done + state.dead == 0;
        let same = match (&state.source, now) {
            (Some(known), Some(now)) => {
                // Only what is before the mark is compared, so nothing behind it may be settled.
                let is_whole = state.settled.end() == state.settled.mark();
                record::is_same(known, now)
                    || is_whole && record::has_grown(plan, known, now, state.mark)
            }
            _ => false,
        };
        if nothing_known || same {
            return Start {
                mark: if record::can_seek(plan) {
                    state.mark
                } else {
                    Mark::default()
                },
                position: if record::can_seek(plan) {
                    state.settled.mark()
                } else {
                    0
                },
                matching: Matching::Position(state.settled.clone()),
                anew: false,
                skipped: settled,
                note: None,
            };
        }
        let note = (now.is_some() && state.source.is_some()).then(|| {
            "the input has changed since the last run: records are matched by their key; finished ones are not done again".to_owned()
        });
        Start {
            mark: Mark::default(),
            position: 0,
            matching: Matching::Identity,
            anew: true,
            skipped: 0,
            note,
        }
    }
}

impl Plan {
    /// Most calls that one record can have open at once.
    fn widest_fan_out(&self) -> usize {
        let calls = |step: &crate::plan::StepPlan| match &step.each {
            Some(_) => self.services[step.service].in_flight.max(1),
            None => 1,
        };
        self.steps.iter().map(calls).sum::<usize>().max(1)
    }
}
