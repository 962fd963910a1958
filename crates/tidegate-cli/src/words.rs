//! Numbers and times as people read them.

use std::time::Duration;

/// `1234567` → `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 dead letter`, `2 dead letters`.
pub(crate) fn letters(number: usize) -> String {
    let noun = if number == 1 {
        "dead letter"
    } else {
        "dead letters"
    };
    format!("{} {noun}", count(number as u64))
}

/// `7 h 19 m`, `3 m 05 s`, `12 s`, `2.1 s`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `180 ms`, `1.4 s`.
pub(crate) fn millis(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.1} ms"),
        ..1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1_000.0),
    }
}

/// `5.2 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn times_have_two_units_at_most() {
        let texts = [2_100, 59_000, 185_000, 26_340_000].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(texts, ["2.1 s", "59 s", "3 m 05 s", "7 h 19 m"]);
    }
}
