//! The Mandelbrot set: pure arithmetic.

use tidegate::StopFlag;

/// So many iterations lie between two looks at the flag: some tens of microseconds.
const BETWEEN_LOOKS: u32 = 1 << 14;

/// A part of the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    x: f64,
    y: f64,
    /// The width of one pixel.
    pixel: f64,
}

/// What a key does to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Left,
    Right,
    Up,
    Down,
    In,
    Out,
    Home,
}

impl View {
    pub(crate) fn home(width: u16) -> View {
        View {
            x: -0.7,
            y: 0.0,
            pixel: 3.2 / f64::from(width.max(1)),
        }
    }

    pub(crate) fn moved(self, how: Move, width: u16) -> View {
        let step = 8.0 * self.pixel;
        let View { x, y, pixel } = self;
        match how {
            Move::Left => View {
                x: x - step,
                ..self
            },
            Move::Right => View {
                x: x + step,
                ..self
            },
            Move::Up => View {
                y: y - step,
                ..self
            },
            Move::Down => View {
                y: y + step,
                ..self
            },
            // Below this, neighbouring pixels are one number.
            Move::In if pixel < 1e-15 => self,
            Move::In => View {
                pixel: pixel / 1.5,
                ..self
            },
            Move::Out => View {
                pixel: pixel * 1.5,
                ..self
            },
            Move::Home => View::home(width),
        }
    }
}

/// One row of a picture: for each pixel the iteration at which it escaped. `None` for a pixel: not within `depth`;
/// `None` for all: told to stop.
pub(crate) fn row(
    view: View,
    (width, height): (u16, u16),
    row: u16,
    depth: u32,
    stop: &StopFlag,
) -> Option<Vec<Option<u32>>> {
    let offset = |at: u16, of: u16| (f64::from(at) - f64::from(of) / 2.0) * view.pixel;
    let y = view.y + offset(row, height);
    (0..width)
        .map(|column| escape((view.x + offset(column, width), y), depth, stop))
        .collect()
}

/// Outer `None`: told to stop.
fn escape((cx, cy): (f64, f64), depth: u32, stop: &StopFlag) -> Option<Option<u32>> {
    let (mut x, mut y) = (0.0_f64, 0.0_f64);
    for iteration in 0..depth {
        if iteration % BETWEEN_LOOKS == 0 && stop.is_set() {
            return None;
        }
        let (xx, yy) = (x * x, y * y);
        if xx + yy > 4.0 {
            return Some(Some(iteration));
        }
        y = 2.0 * x * y + cy;
        x = xx - yy + cx;
    }
    Some(None)
}
