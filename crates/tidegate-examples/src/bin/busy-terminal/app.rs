//! The loop between keys, rows and the screen.

use crate::{
    delays::Delays,
    fractal::View,
    keys::{Key, What},
    painter::{Order, Row, paint},
    screen::{Picture, status},
};
use ratatui::{
    Terminal,
    backend::Backend,
    layout::{Constraint, Layout, Rect},
};
use std::{fmt, io, time::Duration};
use tidegate::{
    Scope,
    offload::Pool,
    stream::{Receiver, channel},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

/// Frames without a key come thirty times a second.
const FRAME: Duration = Duration::from_millis(33);

/// Rows that wait to be drawn: of the smallest terminal, one picture.
const ROWS: usize = 48;

/// What a run has shown.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// From a key being there to its frame being drawn.
    pub(crate) keys: Delays,
    /// From a timer being due to the loop running: how late the loop is for anything.
    pub(crate) turns: Delays,
    /// Keys that came while every thread of the pool computed.
    pub(crate) under_full_load: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures {
            keys,
            turns,
            under_full_load,
        } = self;
        writeln!(f, "keys, read to drawn: {keys}")?;
        writeln!(f, "loop, due to running: {turns}")?;
        write!(
            f,
            "{} keys, {under_full_load} of them while every core computed",
            keys.count()
        )
    }
}

pub(crate) struct App<B: Backend> {
    terminal: Terminal<B>,
    pool: Pool,
    cores: usize,
    scope: Scope<io::Error>,
    orders: watch::Sender<Order>,
    rows: Receiver<Row>,
    picture: Picture,
    figures: Figures,
}

impl<B: Backend<Error = io::Error>> App<B> {
    /// Starts the painter as a child of `scope`.
    pub(crate) fn new(scope: &Scope<io::Error>, mut terminal: Terminal<B>) -> io::Result<App<B>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Pool::new("fractal");
        let size = picture_size(terminal.get_frame().area());
        let order = Order {
            view: View::home(size.0),
            size,
            serial: 0,
        };
        let (orders, ordered) = watch::channel(order);
        let (done, rows) = channel(ROWS);
        scope
            .spawn_background("painter", paint(ordered, done, pool.clone()))
            .map_err(io::Error::other)?;
        Ok(App {
            terminal,
            pool,
            cores,
            scope: scope.clone(),
            orders,
            rows,
            picture: Picture::new(size.1),
            figures: Figures::default(),
        })
    }

    /// Runs until a key says so, nobody can type any more, or the scope is told to stop.
    pub(crate) async fn run(mut self, mut keys: Receiver<Key>) -> io::Result<Figures> {
        let mut frames = interval(FRAME);
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let told = self.scope.clone();
        self.draw()?;
        loop {
            // Keys before rows: what the user does comes first, however much is computed.
            tokio::select! {
                biased;
                _ = told.cancelled() => break,
                key = keys.recv() => match key {
                    Some(key) if key.what != What::Quit => self.handle(key)?,
                    _ => break,
                },
                due = frames.tick() => {
                    self.figures.turns.add(due.elapsed());
                    self.draw()?;
                }
                Some(row) = self.rows.recv() => self.take(row),
            }
        }
        Ok(self.figures)
    }

    fn handle(&mut self, key: Key) -> io::Result<()> {
        let full = self.pool.running() == self.cores;
        self.terminal.autoresize()?;
        let size = picture_size(self.terminal.get_frame().area());
        self.orders.send_modify(|order| {
            if let What::Move(how) = key.what {
                order.view = order.view.moved(how, size.0);
            }
            order.size = size;
            order.serial += 1;
        });
        self.picture.restart(size.1);
        self.draw()?;
        self.figures.under_full_load += u64::from(full);
        self.figures.keys.add(key.at.elapsed());
        Ok(())
    }

    fn take(&mut self, row: Row) {
        if row.serial == self.orders.borrow().serial {
            self.picture.take(row);
        }
    }

    /// Writes to the terminal from the loop: nothing else has to run meanwhile.
    fn draw(&mut self) -> io::Result<()> {
        let status = status(&self.picture, &self.figures, self.pool.running());
        let picture = &self.picture;
        self.terminal.draw(|frame| {
            let [upper, lower] =
                Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
            frame.render_widget(picture, upper);
            frame.render_widget(status, lower);
        })?;
        Ok(())
    }
}

/// Two rows of pixels in each line, but for the last one.
fn picture_size(area: Rect) -> (u16, u16) {
    (area.width, area.height.saturating_sub(1).saturating_mul(2))
}
