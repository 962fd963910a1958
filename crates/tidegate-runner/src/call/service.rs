//! A remote dependency, ready to be called: its policy, its client, its fixed headers, and the URLs that it allows.

use super::places::Places;
use crate::{
    expr::{EvalError, Globals, Scope, TargetValue},
    plan::ServicePlan,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use minijinja::Value;
use std::sync::Arc;
use tidegate::policy::{BadPolicy, Outage, Policy, Queue, Retry};
use tidegate_http::{BadClient, Client};

/// What a server sees as the caller, unless `headers` says otherwise.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));

/// A remote dependency, ready to be called.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) policy: Policy,
    /// Those that `queue` leaves at the gate; none: as many as want to.
    pub(crate) places: Option<Places>,
    pub(super) client: Client,
    /// Sent with every request: those of the flow file that are the same for every record.
    pub(super) headers: HeaderMap,
    /// Indexes into the plan's headers of those that are not.
    pub(super) varying: Vec<usize>,
    /// `scheme://authority` and the path before every target.
    base: Option<(http::uri::Scheme, http::uri::Authority, String)>,
}

/// Why a service cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum BadService {
    /// Its limits contradict each other.
    #[error("service `{name}`: {source}")]
    Policy {
        /// The service.
        name: String,
        /// Why.
        source: BadPolicy,
    },
    /// Its TLS settings cannot be used.
    #[error("service `{name}`: {source}")]
    Client {
        /// The service.
        name: String,
        /// Why.
        source: BadClient,
    },
    /// One of its headers cannot be made.
    #[error("service `{name}`, header `{header}`: {source}")]
    Header {
        /// The service.
        name: String,
        /// The header.
        header: HeaderName,
        /// Why.
        source: EvalError,
    },
}

impl Service {
    /// Builds the policy and the client that `plan` describes.
    ///
    /// `waiting` is the most calls that can wait at once: the records in flight times the calls that each may have open.
    pub(crate) fn new(
        plan: &ServicePlan,
        globals: &Arc<Globals>,
        waiting: usize,
    ) -> Result<Service, BadService> {
        let name = || plan.name.clone();
        let policy = policy(plan, waiting).map_err(|source| BadService::Policy {
            name: name(),
            source,
        })?;
        let mut client = Client::builder()
            .max_body(plan.max_body)
            .redirects(plan.redirects)
            .idle_per_host(plan.in_flight);
        if let Some(ca) = &plan.tls_ca {
            client = client.extra_ca(ca);
        }
        let client = client.build().map_err(|source| BadService::Client {
            name: name(),
            source,
        })?;
        let mut headers = plain_headers();
        let nobody = Scope::new(globals, Value::UNDEFINED);
        let mut varying = Vec::new();
        for (index, (header, text)) in plan.headers.iter().enumerate() {
            if !text.mentions().is_fixed() {
                varying.push(index);
                continue;
            }
            let value = text
                .render_optional(&nobody)
                .and_then(|value| value.map(header_value).transpose());
            let value = value.map_err(|source| BadService::Header {
                name: name(),
                header: header.clone(),
                source,
            })?;
            if let Some(value) = value {
                headers.insert(header, value);
            }
        }
        let base = plan.base.as_ref().and_then(|base| {
            let path = base.path().trim_end_matches('/').to_owned();
            Some((base.scheme()?.clone(), base.authority()?.clone(), path))
        });
        Ok(Service {
            policy,
            places: plan
                .queue
                .as_ref()
                .map(|queue| Places::new(queue.max_waiting)),
            client,
            headers,
            varying,
            base,
        })
    }

    /// Whether a URL is the service's own: of the same origin as `base`, or any where there is no `base`.
    fn is_own(&self, uri: &Uri) -> bool {
        self.base.as_ref().is_none_or(|(scheme, authority, _)| {
            uri.scheme() == Some(scheme) && uri.authority() == Some(authority)
        })
    }

    /// The whole URL of a target, and whether it is the service's own.
    pub(super) fn uri(
        &self,
        plan: &ServicePlan,
        target: TargetValue,
        query: &str,
    ) -> Result<(Uri, bool), String> {
        match target {
            TargetValue::PathAndQuery(mut path) => {
                let (scheme, authority, prefix) =
                    self.base.as_ref().ok_or("the service has no `base`")?;
                if !prefix.is_empty() {
                    path.insert_str(0, prefix);
                }
                append_query(&mut path, query);
                Uri::builder()
                    .scheme(scheme.clone())
                    .authority(authority.clone())
                    .path_and_query(path)
                    .build()
                    .map(|uri| (uri, true))
                    .map_err(|error| format!("no URL can be made of the target: {error}"))
            }
            TargetValue::Url(mut url) => {
                append_query(&mut url, query);
                let uri: Uri = url
                    .parse()
                    .map_err(|error| format!("the target is not a URL: {error}"))?;
                self.allow(plan, &uri)?;
                let is_own = self.is_own(&uri);
                Ok((uri, is_own))
            }
        }
    }

    /// A URL that comes from data may name only the host of `base` and those of `allow`.
    fn allow(&self, plan: &ServicePlan, uri: &Uri) -> Result<(), String> {
        let host = uri
            .host()
            .filter(|_| matches!(uri.scheme_str(), Some("http" | "https")));
        let host = host.ok_or("the target is not an http or https URL")?;
        let own = self.base.is_some() && self.is_own(uri);
        // What leaves over TLS must not be led away from it.
        let secure_base = self
            .base
            .as_ref()
            .is_some_and(|(scheme, ..)| scheme == "https");
        let led_away = secure_base && uri.scheme_str() != Some("https");
        let listed = |entry: &String| {
            entry.eq_ignore_ascii_case(host) || (entry == "public" && is_public_name(host))
        };
        if own || (plan.allow.iter().any(listed) && !led_away) {
            return Ok(());
        }
        if led_away {
            return Err(format!(
                "`{host}` is to be asked without TLS, but `base` is https"
            ));
        }
        Err(format!(
            "the host `{host}` is neither that of `base` nor in `allow` of service `{}`",
            plan.name
        ))
    }
}

fn policy(plan: &ServicePlan, waiting: usize) -> Result<Policy, BadPolicy> {
    // Whoever may wait at all was counted before: a bound here would only refuse what nobody may refuse.
    let queue = Queue {
        newest_first_after: plan
            .queue
            .as_ref()
            .and_then(|queue| queue.newest_first_after),
        ..Queue::bounded(waiting)
    };
    let mut policy = Policy::named(plan.name.as_str())
        .in_flight(plan.in_flight)
        .queue(queue)
        .burst(plan.burst)
        .attempt_timeout(plan.timeout)
        .retry(Retry {
            max_attempts: plan.retry.saturating_add(1),
            base: plan.retry_base,
            cap: plan.retry_cap,
            ..Retry::default()
        })
        // With it an open breaker lets calls wait, as far as the patience goes: it fails no record.
        .outage(Outage {
            patience: Some(plan.patience),
            ..Outage::default()
        });
    if let Some(rate) = plan.rate {
        policy = policy.rate(rate);
    }
    if let Some(breaker) = &plan.breaker {
        policy = policy.breaker(breaker.clone());
    }
    if let Some(hedge) = &plan.hedge {
        policy = policy.hedge(hedge.clone());
    }
    policy.build()
}

/// Not an address of this machine or of a private network, and not a name that stands for one.
///
/// A name that resolves to a private address is not seen here.
fn is_public_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || shared)
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            let mapped_private = ip.to_ipv4_mapped().is_some();
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                || mapped_private)
        }
        Err(_) => {
            bare.contains('.')
                && !bare.ends_with(".local")
                && !bare.ends_with(".internal")
                && !bare.ends_with(".localhost")
        }
    }
}

fn append_query(target: &mut String, query: &str) {
    if !query.is_empty() {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(query);
    }
}

pub(super) fn header_value(text: String) -> Result<HeaderValue, EvalError> {
    HeaderValue::try_from(text).map_err(|_| EvalError::new("the value cannot stand in a header"))
}

/// Headers that any host may see.
pub(super) fn plain_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers
}
