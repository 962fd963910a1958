//! Keys: those of the terminal, and those of a measurement.

use crate::fractal::Move;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use std::{
    io, thread,
    time::{Duration, Instant},
};
use tidegate::{StopFlag, stream::Sender};

/// How long the reader may take to see that it is to stop.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Time between two keys of a measurement: fifty a second, more than a held key repeats.
const BETWEEN_KEYS: Duration = Duration::from_millis(20);

/// A key, and when it was there to be handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) what: What,
    pub(crate) at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Move(Move),
    /// The terminal has another size.
    Resize,
    Quit,
}

/// Reads the terminal until told to stop. On a thread, as reading blocks.
pub(crate) fn read(keys: Sender<Key>, stop: StopFlag) -> io::Result<()> {
    while !stop.is_set() {
        if !event::poll(BETWEEN_LOOKS)? {
            continue;
        }
        let what = match event::read()? {
            Event::Key(key) if key.is_press() || key.is_repeat() => meaning(key),
            Event::Resize(..) => Some(What::Resize),
            _ => None,
        };
        let at = Instant::now();
        if let Some(what) = what
            && keys.blocking_send(Key { what, at }).is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Makes keys for so long. A key counts from when it is due, so the delays of this thread are in it.
pub(crate) fn make(time: Duration, keys: &Sender<Key>, stop: &StopFlag) -> io::Result<()> {
    // Back where they began, so that there is always as much to compute.
    const MOVES: [Move; 8] = [
        Move::In,
        Move::Left,
        Move::Up,
        Move::In,
        Move::Out,
        Move::Right,
        Move::Down,
        Move::Out,
    ];
    let start = Instant::now();
    for (n, what) in (1..).zip(MOVES.into_iter().cycle()) {
        let at = start + n * BETWEEN_KEYS;
        if at > start + time || stop.is_set() {
            break;
        }
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let what = What::Move(what);
        if keys.blocking_send(Key { what, at }).is_err() {
            break;
        }
    }
    Ok(())
}

fn meaning(key: KeyEvent) -> Option<What> {
    // In raw mode the terminal makes no signal of it.
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(What::Quit);
    }
    let how = match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Some(What::Quit),
        KeyCode::Left => Move::Left,
        KeyCode::Right => Move::Right,
        KeyCode::Up => Move::Up,
        KeyCode::Down => Move::Down,
        KeyCode::Char('+' | '=') => Move::In,
        KeyCode::Char('-') => Move::Out,
        KeyCode::Char('r') => Move::Home,
        _ => return None,
    };
    Some(What::Move(how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_quits_although_c_alone_means_nothing() {
        let key = |modifiers| KeyEvent::new(KeyCode::Char('c'), modifiers);
        assert_eq!(meaning(key(KeyModifiers::CONTROL)), Some(What::Quit));
        assert_eq!(meaning(key(KeyModifiers::NONE)), None);
    }
}
