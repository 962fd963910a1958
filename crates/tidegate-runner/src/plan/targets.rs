//! Targets that a service cannot be asked for, or that YAML cut off.

use super::compiler::Compiler;
use crate::{
    expr::Target,
    flow::{Fault, Span, Step},
};

/// A path needs a base; a whole URL needs a host that the service may be asked for.
pub(super) fn check(compiler: &mut Compiler<'_>, step: &Step, target: &Target) {
    let at = step.call.locate(
        &(step.target_from..step.call.text.len()),
        &compiler.flow.text.text,
    );
    cut_target(compiler, step, &at);
    let Some(index) = step.service else { return };
    let service = &compiler.flow.services[index];
    match (target.is_whole_url(), &service.base) {
        // A URL from data may name the host of `base`; one that is written out had better be a path.
        (true, Some(base)) if service.allow.is_empty() && !target.is_lone_url() => {
            let fault = Fault::error(format!(
                "a whole URL, but the service `{}` has a base",
                service.name.value
            ))
            .at(&at);
            let fault = fault.also(base.span(), "every target is appended to this");
            compiler.fault(fault.help(
                "write the target as a path, or say which other hosts are right:  allow: [HOST]",
            ));
        }
        (false, None) => {
            let fault = Fault::error(format!(
                "a path, but the service `{}` has no base",
                service.name.value
            ))
            .at(&at);
            compiler.fault(
                fault
                    .also(&service.name.at, "here")
                    .help("base: https://HOST")
                    .help("or a whole URL:  {{ url | url }}"),
            );
        }
        _ => {}
    }
}

/// `GET /x #frag`: what stands behind is a comment for YAML.
fn cut_target(compiler: &mut Compiler<'_>, step: &Step, at: &Span) {
    let rest = compiler.flow.text.text[step.call.span.end..]
        .split('\n')
        .next()
        .unwrap_or_default();
    let comment = rest.trim_start();
    let is_cut = rest.len() > comment.len()
        && comment.starts_with('#')
        && !comment.starts_with("# ")
        && comment.trim_end().len() > 1;
    if is_cut {
        let from = step.call.span.end + rest.len() - comment.len();
        let span = from..from + comment.trim_end().len();
        let fault = Fault::warning("YAML reads this as a comment, so it is not sent")
            .at(&span)
            .also(at, "the target ends here");
        compiler.fault(
            fault.help("for a `#` in a value write %23; for a comment, a blank behind the `#`"),
        );
    }
}
