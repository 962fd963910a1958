//! `services:`.

use http::{HeaderName, Uri};

use super::{
    ServicePlan, auth, classify,
    compiler::{Compiler, Place},
    limits,
    names::Reach,
};
use crate::{
    expr::{Position, Text},
    flow::{Fault, Map, Node, Scalar, Service, Stage},
};

pub(super) fn compile(compiler: &mut Compiler<'_>) -> Option<Vec<ServicePlan>> {
    let services: Vec<_> = compiler
        .flow
        .services
        .iter()
        .map(|service| one(compiler, service))
        .collect();
    // Headers of a service are made for every step that uses it, so a step they mention is used by all of these.
    for (step, at) in compiler.take_uses() {
        let fault = Fault::error(format!("a service cannot wait for the step `{step}`")).at(&at);
        compiler.fault(fault.help("put the header into the steps that need it"));
    }
    services.into_iter().collect()
}

fn one(compiler: &mut Compiler<'_>, service: &Service) -> Option<ServicePlan> {
    let base = service.base.as_ref().map(|node| base(compiler, node));
    let place = Place {
        key: "headers",
        reach: Reach::Headers,
    };
    let mut headers = service
        .headers
        .as_ref()
        .map(|map| self::headers(compiler, map, place))
        .unwrap_or_default();
    if let Some((auth, at)) = &service.auth {
        if headers
            .iter()
            .any(|(name, _)| *name == http::header::AUTHORIZATION)
        {
            compiler.fault(
                Fault::error("`Authorization` is there twice")
                    .at(at)
                    .label("`auth` makes this header too")
                    .help("keep one of them"),
            );
        }
        let text = auth::authorization(compiler, auth, &service.name.value);
        headers.extend(text.map(|text| (http::header::AUTHORIZATION, text)));
    }
    let tls_ca = service
        .tls_ca
        .as_ref()
        .and_then(|node| compiler.path(node, "ca"))
        .flatten();
    for host in &service.allow {
        let is_host = host.value == "public"
            || host
                .value
                .parse::<http::uri::Authority>()
                .is_ok_and(|host| !host.as_str().contains('@'));
        if !is_host {
            let fault = Fault::error(format!("`{}` is no host", host.value)).at(&host.at);
            compiler.fault(fault.help("allow: [files.example.com]  or  allow: public"));
        }
    }
    let classify = service
        .classify
        .as_ref()
        .map(|keys| classify::compile(compiler, keys));
    if service.rate.is_none() {
        let fault = Fault::warning(format!(
            "the service `{}` has no `rate`",
            service.name.value
        ))
        .at(&service.name.at);
        let fault = fault.label(format!("only its {} places limit it", service.in_flight));
        compiler.fault(fault.help("rate: 10/s"));
    }
    limits::check(compiler, service);
    let used = compiler.flow.steps.iter().any(|step| {
        step.service
            .is_some_and(|index| compiler.flow.services[index].name == service.name)
    });
    if !used {
        compiler.fault(
            Fault::warning(format!("no step uses the service `{}`", service.name.value))
                .at(&service.name.at),
        );
    }
    let (rate, rate_text) = service.rate.clone().unzip();
    Some(ServicePlan {
        name: service.name.value.clone(),
        base: match base {
            Some(base) => Some(base?),
            None => None,
        },
        headers,
        in_flight: service.in_flight,
        rate,
        rate_text,
        burst: service.burst,
        timeout: service.timeout,
        retry: service.retry.times,
        retry_base: service.retry.base,
        retry_cap: service.retry.cap,
        patience: service.patience.value,
        breaker: rules(&service.breaker),
        hedge: rules(&service.hedge),
        queue: rules(&service.queue),
        max_body: service.max_body,
        redirects: service.redirects,
        allow: service
            .allow
            .iter()
            .map(|host| host.value.clone())
            .collect(),
        tls_ca,
        classify: match classify {
            Some(classify) => Some(classify?),
            None => None,
        },
    })
}

fn rules<T: Clone>(stage: &Option<Stage<T>>) -> Option<T> {
    stage.as_ref().map(|stage| stage.rules.clone())
}

fn base(compiler: &mut Compiler<'_>, node: &Node) -> Option<Uri> {
    let (base, at) = compiler.fixed(node, "base")?;
    let fault = |message: &str, help: &str| Fault::error(message).at(&at).help(help);
    let fault = match base.parse::<Uri>() {
        Ok(uri) => match (uri.scheme_str(), uri.authority()) {
            (_, Some(authority)) if authority.as_str().contains('@') => fault(
                "a base holds no user and password",
                "auth: { basic: { user: NAME, password: \"{{ env.PASSWORD }}\" } }",
            ),
            (Some("http" | "https"), Some(_)) if uri.query().is_some() => fault(
                "a base has no query",
                "put the parameters into `query` of the steps",
            ),
            (Some("http" | "https"), Some(_)) => return Some(uri),
            // The value may come from `env`, so it is not repeated.
            _ => fault("a base is a whole URL", "base: https://api.example.com"),
        },
        Err(_) => fault("a base is a whole URL", "base: https://api.example.com"),
    };
    compiler.fault(fault);
    None
}

/// The texts of headers with names that HTTP and the client allow.
pub(super) fn headers(
    compiler: &mut Compiler<'_>,
    map: &Map,
    place: Place<'_>,
) -> Vec<(HeaderName, Text)> {
    let mut headers: Vec<(HeaderName, Text)> = Vec::new();
    for (name, node) in &map.entries {
        let text = compiler.text(node, Position::Header, place);
        let Some(header) = header_name(compiler, name) else {
            continue;
        };
        if headers.iter().any(|(other, _)| *other == header) {
            let fault = Fault::error(format!("the header `{}` is there twice", name.text));
            compiler.fault(fault.at(&name.span).help("keep one of them"));
        } else {
            headers.extend(text.map(|text| (header, text)));
        }
    }
    headers
}

fn header_name(compiler: &mut Compiler<'_>, name: &Scalar) -> Option<HeaderName> {
    let fault = match name.text.parse::<HeaderName>() {
        Ok(header) if !MADE_BY_THE_CLIENT.contains(&header.as_str()) => return Some(header),
        Ok(_) => Fault::error(format!("the header `{}` is made by the client", name.text))
            .help("leave it out"),
        Err(_) => Fault::error(format!("`{}` cannot be the name of a header", name.text))
            .label("letters, digits and `-` only"),
    };
    compiler.fault(fault.at(&name.span));
    None
}

const MADE_BY_THE_CLIENT: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];
