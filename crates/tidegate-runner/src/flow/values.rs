//! Durations, sizes, rates and table names as a flow file writes them.

use std::time::Duration;

/// Reads a duration as a flow file writes it: `500ms`, `2s`, `10m`, `1.5h`, `1d`. None: it is none, or has no unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// `16MiB`, `10MB`, `200kB`, `512B`.
pub(crate) fn size(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text)?;
    let bytes = match unit {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let bytes = number * bytes;
    // Above 2^53 a float no longer counts bytes; nobody has that much memory.
    (1.0..9e15).contains(&bytes).then_some(bytes as usize)
}

/// `50%`, `2.5%` as a part of 1: more than nothing, and no more than all.
pub(crate) fn share(text: &str) -> Option<f64> {
    let (percent, "%") = split_unit(text)? else {
        return None;
    };
    (percent > 0.0 && percent <= 100.0).then(|| part(percent))
}

/// So that 99.9% is the 0.999 of a program, and not 0.9990000000000001.
fn part(percent: f64) -> f64 {
    (percent * 1e7).round() / 1e9
}

/// `p95`, `p99.9` as a part of 1, neither nothing nor all.
pub(crate) fn percentile(text: &str) -> Option<f64> {
    // A number and its unit, the other way round.
    let (percent, "%") = split_unit(&format!("{}%", text.strip_prefix('p')?))? else {
        return None;
    };
    (percent > 0.0 && percent < 100.0).then(|| part(percent))
}

fn split_unit(text: &str) -> Option<(f64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    // `1.` and `.5` are numbers for Rust, and slips in a file.
    if number.starts_with('.') || number.ends_with('.') {
        return None;
    }
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Why a rate is none.
#[derive(Debug, PartialEq)]
pub(crate) enum BadRate {
    /// `100`, `fast`.
    Form,
    /// `0/s`.
    Zero,
    /// `200000 tokens/m`.
    Word(String),
    /// `100000/run`.
    Quota,
}

/// `100/s`, `6000/m`, `10/h`, `5/d` as requests a second.
pub(crate) fn rate(text: &str) -> Result<f64, BadRate> {
    let (count, per) = text.split_once('/').ok_or(BadRate::Form)?;
    let seconds = match per.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "run" => return Err(BadRate::Quota),
        _ => return Err(BadRate::Form),
    };
    let count = count.trim();
    if let Some((number, word)) = count.split_once(' ') {
        return Err(if number.parse::<f64>().is_ok() {
            BadRate::Word(word.trim().to_owned())
        } else {
            BadRate::Form
        });
    }
    let count: f64 = count.parse().map_err(|_| BadRate::Form)?;
    match count.is_finite() && count >= 0.0 {
        true if count == 0.0 => Err(BadRate::Zero),
        true => Ok(count / seconds),
        false => Err(BadRate::Form),
    }
}

/// `users(id, day)`: a table and its key columns; no parentheses, no columns.
pub(crate) fn table(text: &str) -> Option<(String, Vec<String>)> {
    let text = text.trim();
    let (table, columns) = match text.split_once('(') {
        Some((table, rest)) => (
            table,
            rest.strip_suffix(')')?
                .split(',')
                .map(|column| column.trim().to_owned())
                .collect(),
        ),
        None => (text, Vec::new()),
    };
    let table = table.trim();
    let named = !table.is_empty() && columns.iter().all(|column| !column.is_empty());
    named.then(|| (table.to_owned(), columns))
}

/// A name that an expression can mention: ASCII letters, digits and `_`, no digit first.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    chars.next().is_some_and(begins) && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("10m"), Some(Duration::from_secs(600)));
        for bad in ["2", "s", "-1s", "2 weeks", "1.s", "", "1e3s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_know_both_thousands() {
        assert_eq!(size("16MiB"), Some(16 << 20));
        assert_eq!(size("10MB"), Some(10_000_000));
        assert_eq!(size("200kB"), Some(200_000));
        for bad in ["16", "0B", "16mb", "99999999GB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(rate("100/s"), Ok(100.0));
        assert_eq!(rate("6000/m"), Ok(100.0));
        assert_eq!(rate("36/h"), Ok(0.01));
        assert_eq!(rate("0/s"), Err(BadRate::Zero));
        assert_eq!(rate("100"), Err(BadRate::Form));
        assert_eq!(rate("100/y"), Err(BadRate::Form));
        assert_eq!(rate("200000 tokens/m"), Err(BadRate::Word("tokens".into())));
        assert_eq!(rate("100000/run"), Err(BadRate::Quota));
    }

    #[test]
    fn shares_are_percents_and_percentiles_are_named_by_a_p() {
        assert_eq!(share("50%"), Some(0.5));
        assert_eq!(share("2.5%"), Some(0.025));
        assert_eq!(share("100%"), Some(1.0));
        for bad in ["0.5", "50", "0%", "101%", "-1%", "%", ".5%", "1e1%"] {
            assert_eq!(share(bad), None, "{bad}");
        }
        assert_eq!(percentile("p95"), Some(0.95));
        assert_eq!(percentile("p99.9"), Some(0.999));
        for bad in ["95", "p", "p0", "p100", "p95%", "P95", "p.5", "p1e1"] {
            assert_eq!(percentile(bad), None, "{bad}");
        }
    }

    #[test]
    fn tables_may_have_a_key() {
        assert_eq!(
            table("users(id, day)"),
            Some(("users".into(), vec!["id".into(), "day".into()]))
        );
        assert_eq!(table("users"), Some(("users".into(), vec![])));
        for bad in ["users(", "users()", "(id)", "users(id", ""] {
            assert_eq!(table(bad), None, "{bad}");
        }
    }
}
