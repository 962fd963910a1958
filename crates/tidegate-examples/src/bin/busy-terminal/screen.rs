//! What is drawn.

use crate::{app::Figures, painter::Row};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Color, Style},
    text::Line,
    widgets::Widget,
};

/// The newest and deepest row of each height, two in a line of the terminal.
#[derive(Debug)]
pub(crate) struct Picture {
    rows: Vec<Option<Row>>,
    depth: u32,
}

impl Picture {
    pub(crate) fn new(height: u16) -> Picture {
        Picture {
            rows: (0..height).map(|_| None).collect(),
            depth: 0,
        }
    }

    /// Another view: what is there stays until it is replaced, so that nothing flickers.
    pub(crate) fn restart(&mut self, height: u16) {
        self.rows.resize_with(usize::from(height), || None);
        self.depth = 0;
    }

    pub(crate) fn take(&mut self, row: Row) {
        self.depth = self.depth.max(row.depth);
        let rank = |row: &Row| (row.serial, row.depth);
        if let Some(place) = self.rows.get_mut(usize::from(row.row))
            && place.as_ref().is_none_or(|old| rank(old) < rank(&row))
        {
            *place = Some(row);
        }
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Black in the set, and where nothing is known yet.
    fn color(&self, column: u16, row: u16) -> Color {
        let known = self.rows.get(usize::from(row));
        let row = known.and_then(Option::as_ref);
        let pixel = row.and_then(|row| row.escapes.get(usize::from(column)));
        match pixel.copied().flatten() {
            Some(escaped) => shade(escaped),
            None => Color::Black,
        }
    }
}

impl Widget for &Picture {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        for line in 0..area.height {
            for column in 0..area.width {
                let style = Style::new()
                    .fg(self.color(column, 2 * line))
                    .bg(self.color(column, 2 * line + 1));
                let position = Position::new(area.x + column, area.y + line);
                if let Some(cell) = buffer.cell_mut(position) {
                    cell.set_char('▀').set_style(style);
                }
            }
        }
    }
}

/// The last line.
pub(crate) fn status(picture: &Picture, figures: &Figures, running: usize) -> Line<'static> {
    Line::from(format!(
        " depth {}, {running} cores busy | keys: {} | q quits",
        picture.depth(),
        figures.keys
    ))
}

/// One of the 216 colours of the cube, so that a terminal without true colour shows it too.
fn shade(escaped: u32) -> Color {
    let wave = |shift: f64| {
        let phase = f64::from(escaped).ln_1p() * 1.3 + shift;
        // Between 0 and 5.
        (phase.sin() * 2.5 + 2.5).round() as u8
    };
    Color::Indexed(16 + 36 * wave(0.0) + 6 * wave(1.2) + wave(2.4))
}
