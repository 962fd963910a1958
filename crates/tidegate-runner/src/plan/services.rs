//! `services:`.

use http::{HeaderName, Uri};

use super::{
    Classify, Match, ServicePlan,
    compiler::{Compiler, Place},
    names::Reach,
};
use crate::{
    expr::{Position, Text},
    flow::{Auth, ClassifyKeys, Fault, Kind, Map, Node, Scalar, Service},
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
        let text = authorization(compiler, auth, &service.name.value);
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
        .map(|keys| self::classify(compiler, keys));
    if service.rate.is_none() {
        let fault = Fault::warning(format!(
            "the service `{}` has no `rate`",
            service.name.value
        ))
        .at(&service.name.at);
        let fault = fault.label(format!("only its {} places limit it", service.in_flight));
        compiler.fault(fault.help("rate: 10/s"));
    }
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
        patience: service.patience,
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
        match header_name(name) {
            Ok(header) if headers.iter().any(|(other, _)| *other == header) => {
                compiler.fault(
                    Fault::error(format!("the header `{}` is there twice", name.text))
                        .at(&name.span)
                        .help("keep one of them"),
                );
            }
            Ok(header) => headers.extend(text.map(|text| (header, text))),
            Err(fault) => compiler.fault(fault),
        }
    }
    headers
}

fn header_name(name: &Scalar) -> Result<HeaderName, Fault> {
    let header: HeaderName = name.text.parse().map_err(|_| {
        Fault::error(format!("`{}` cannot be the name of a header", name.text)).at(&name.span)
    })?;
    if matches!(
        header.as_str(),
        "host" | "content-length" | "transfer-encoding" | "connection"
    ) {
        let fault = Fault::error(format!("the header `{}` is made by the client", name.text))
            .at(&name.span);
        return Err(fault.help("leave it out"));
    }
    Ok(header)
}

fn authorization(compiler: &mut Compiler<'_>, auth: &Auth, service: &str) -> Option<Text> {
    match auth {
        Auth::Bearer(Node::Scalar(token)) => {
            let place = Place {
                key: "bearer",
                reach: Reach::Headers,
            };
            compiler.text_behind("Bearer ", token, Position::Header, place)
        }
        Auth::Bearer(_) => None,
        Auth::Basic { user, password } => {
            let (user, at) = compiler.fixed(user, "user")?;
            let (password, _) = compiler.fixed(password, "password")?;
            if user.contains(':') {
                compiler.fault(
                    Fault::error("a user for `basic` holds no `:`")
                        .at(&at)
                        .label("the server would read the rest as the password"),
                );
                return None;
            }
            // Encoded now and kept as a variable: nothing else would redact the encoded pair. No file can mention the
            // name, for it is no word that `env.` may be followed by in the environment of any system.
            let name = format!("tidegate_basic_auth_of_{}", service.replace('-', "_"));
            compiler.keep_secret(
                name.clone(),
                base64(format!("{user}:{password}").as_bytes()),
            );
            Text::compile(&format!("Basic {{{{ env.{name} }}}}"), Position::Header).ok()
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    out
}

/// `classify:` of a service or a step.
pub(super) fn classify(compiler: &mut Compiler<'_>, keys: &ClassifyKeys) -> Option<Classify> {
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

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
