//! The order of steps.

use std::collections::BTreeMap;

use crate::flow::Span;

/// Indexes of the steps so that each one's needs come before it, else as in the file. Err: a circle of them.
pub(super) fn sort(
    names: &[&str],
    uses: &[BTreeMap<String, Span>],
) -> Result<Vec<usize>, Vec<usize>> {
    let needs: Vec<Vec<usize>> = uses
        .iter()
        .map(|used| {
            used.keys()
                .filter_map(|name| names.iter().position(|other| other == name))
                .collect()
        })
        .collect();
    let mut order = Vec::with_capacity(names.len());
    let mut placed = vec![false; names.len()];
    while order.len() < names.len() {
        let ready = (0..names.len())
            .find(|step| !placed[*step] && needs[*step].iter().all(|need| placed[*need]));
        match ready {
            Some(step) => {
                placed[step] = true;
                order.push(step);
            }
            None => return Err(circle(&needs, &placed)),
        }
    }
    Ok(order)
}

/// When no step is ready, each of the rest waits for another of the rest: following that comes back somewhere.
fn circle(needs: &[Vec<usize>], placed: &[bool]) -> Vec<usize> {
    let first = placed
        .iter()
        .position(|placed| !placed)
        .expect("a step is left");
    let mut walked = vec![first];
    loop {
        let last = walked[walked.len() - 1];
        let next = needs[last]
            .iter()
            .copied()
            .find(|need| !placed[*need])
            .expect("it waits for one that is left");
        if let Some(start) = walked.iter().position(|step| *step == next) {
            return walked.split_off(start);
        }
        walked.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort_of(steps: &[(&str, &[&str])]) -> Result<Vec<usize>, Vec<usize>> {
        let names: Vec<_> = steps.iter().map(|(name, _)| *name).collect();
        let uses: Vec<_> = steps
            .iter()
            .map(|(_, needs)| {
                needs
                    .iter()
                    .map(|need| ((*need).to_owned(), 0..0))
                    .collect()
            })
            .collect();
        sort(&names, &uses)
    }

    #[test]
    fn needs_come_first_and_the_file_decides_the_rest() {
        assert_eq!(
            sort_of(&[("a", &["c"]), ("b", &[]), ("c", &[])]),
            Ok(vec![1, 2, 0])
        );
        assert_eq!(
            sort_of(&[("a", &[]), ("b", &[]), ("c", &[])]),
            Ok(vec![0, 1, 2])
        );
    }

    #[test]
    fn a_circle_is_named_without_what_leads_to_it() {
        assert_eq!(
            sort_of(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]),
            Err(vec![1, 2])
        );
        assert_eq!(sort_of(&[("a", &["a"])]), Err(vec![0]));
    }
}
