//! `classify:` of a service or a step.

use super::{
    Classify, Match,
    compiler::{Compiler, Place},
    names::Reach,
};
use crate::flow::{ClassifyKeys, Fault, Kind, Node, Scalar};

pub(super) fn compile(compiler: &mut Compiler<'_>, keys: &ClassifyKeys) -> Option<Classify> {
    let mut classify = Classify::default();
    let mut sound = true;
    for (key, node) in &keys.map.entries {
        let slot = match key.text.as_str() {
            "stop" => &mut classify.stop,
            "fatal" => &mut classify.fatal,
            "throttled" => &mut classify.throttled,
            "transient" => &mut classify.transient,
            "ok" => &mut classify.ok,
            // An unknown key has had its fault.
            _ => continue,
        };
        *slot = match node {
            Node::List(items, _) => statuses(compiler, items).map(Match::Status),
            node => {
                let place = Place {
                    key: key.text.as_str(),
                    reach: Reach::Answer,
                };
                lone_status(compiler, key, node)
                    .then(|| compiler.expr(node, place))
                    .flatten()
                    .map(Match::When)
            }
        };
        sound &= slot.is_some();
    }
    sound.then_some(classify)
}

/// `ok: 404` would be an expression that is always true.
fn lone_status(compiler: &mut Compiler<'_>, key: &Scalar, node: &Node) -> bool {
    if let Node::Scalar(scalar) = node
        && let Kind::Number(_) = scalar.kind()
    {
        let fault = Fault::error("statuses are a list").at(&scalar.span);
        compiler.fault(fault.help(format!("{}: [{}]", key.text, scalar.text)));
        return false;
    }
    true
}

fn statuses(compiler: &mut Compiler<'_>, items: &[Node]) -> Option<Vec<u16>> {
    let statuses: Vec<_> = items
        .iter()
        .map(|item| {
            let status = match item {
                Node::Scalar(scalar) => scalar
                    .text
                    .parse::<u16>()
                    .ok()
                    .filter(|status| (100..1000).contains(status)),
                _ => None,
            };
            if status.is_none() {
                compiler.fault(
                    Fault::error("a status is a number from 100 to 999")
                        .at(item.span())
                        .help("ok: [404]"),
                );
            }
            status
        })
        .collect();
    statuses.into_iter().collect()
}
