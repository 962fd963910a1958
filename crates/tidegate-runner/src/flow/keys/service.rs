//! The keys of a service and of what stands in it.

use super::{Others, Shape, Table, key};

pub(crate) static SERVICE: Table = Table {
    id: "service",
    name: "a service",
    about: "One remote dependency and its limits, shared by every step and every retry that uses it.",
    others: Others::Refused,
    later: &["per", "proxy", "breaker", "hedge", "adaptive", "queue", "priority", "cache", "run", "sqlite", "postgres", "nats", "secret"],
    keys: &[
        key("base", Shape::Text, "What every target is appended to. Without it a target is a whole URL and `allow` says which hosts.", "https://api.example.com/v2"),
        key("headers", Shape::Texts, "Sent with every request.", "{ Accept: application/json }"),
        key("auth", Shape::Map(&AUTH), "Makes the `Authorization` header.", "{ bearer: \"{{ env.API_TOKEN }}\" }"),
        key("in_flight", Shape::Count(1), "Most requests open at once. Default 16: polite to a service that has said nothing.", "64").or("16"),
        key("rate", Shape::Rate, "Requests a second, minute, hour or day, evenly spaced. No default: only the service's owner knows it.", "100/s"),
        key("burst", Shape::Count(1), "Requests that may leave together after a pause. Default 1: never above the rate.", "10").or("1"),
        key("timeout", Shape::Duration, "For one attempt. Default 30s: what most gateways give up after.", "2s").or("30s"),
        key("retry", Shape::Either(&[Shape::Count(0), Shape::Map(&RETRY)]), "Repeats after the first attempt. Default 4: past a lost packet or a restart behind a balancer. Their back-off is at most 0.75 s together; longer troubles are `patience`.", "5").or("4"),
        key("patience", Shape::Duration, "How long the service may stay down while its records wait, before the run gives up. Default 10m: a deployment or a short outage.", "1h").or("10m"),
        key("max_body", Shape::Size, "Largest answer. Default 10MB: one answer cannot fill the memory.", "50MB").or("10MB"),
        key("tls", Shape::Map(&TLS), "Further trust for TLS.", "{ ca: ca.pem }"),
        key("redirects", Shape::Count(0), "Redirects followed within the host. Default 5: more is a loop.", "0").or("5"),
        key("allow", Shape::Many(&Shape::Word), "Hosts that a whole URL may name besides that of `base`, or `public` for any public address.", "public"),
        key("classify", Shape::Map(&CLASSIFY), "What an answer means, where the default table is wrong; a step's own is read first.", "{ ok: [404] }"),
    ],
};

pub(crate) static RETRY: Table = Table {
    id: "retry",
    name: "`retry`",
    about: "Repeats and their back-off.",
    others: Others::Refused,
    later: &["on", "also", "budget"],
    keys: &[
        key(
            "times",
            Shape::Count(0),
            "Repeats after the first attempt.",
            "5",
        )
        .or("4"),
        key(
            "base",
            Shape::Duration,
            "First back-off. Default 50ms: a lost packet is not worth a second.",
            "200ms",
        )
        .or("50ms"),
        key(
            "cap",
            Shape::Duration,
            "Longest back-off before jitter. Default 20s: longer waits are `patience`.",
            "1m",
        )
        .or("20s"),
    ],
};

pub(crate) static AUTH: Table = Table {
    id: "auth",
    name: "`auth`",
    about: "One way to prove who asks.",
    others: Others::Refused,
    later: &["oauth2", "aws", "digest", "api_key"],
    keys: &[
        key(
            "bearer",
            Shape::Text,
            "`Authorization: Bearer …`.",
            "\"{{ env.API_TOKEN }}\"",
        ),
        key(
            "basic",
            Shape::Map(&BASIC),
            "`Authorization: Basic …`.",
            "{ user: ann, password: \"{{ env.API_PASSWORD }}\" }",
        ),
    ],
};

pub(crate) static BASIC: Table = Table {
    id: "basic",
    name: "`basic`",
    about: "A user and a password; `env` and `vars` are within reach.",
    others: Others::Refused,
    later: &[],
    keys: &[
        key("user", Shape::Text, "The user.", "ann"),
        key(
            "password",
            Shape::Text,
            "The password.",
            "\"{{ env.API_PASSWORD }}\"",
        ),
    ],
};

pub(crate) static TLS: Table = Table {
    id: "tls",
    name: "`tls`",
    about: "Further trust for TLS.",
    others: Others::Refused,
    later: &["cert", "key", "insecure"],
    keys: &[key(
        "ca",
        Shape::Text,
        "A PEM file with further root certificates.",
        "ca.pem",
    )],
};

pub(crate) static CLASSIFY: Table = Table {
    id: "classify",
    name: "`classify`",
    about: "Lists of statuses, or expressions over `status`, `headers` and `body`; the first match in the order stop, fatal, throttled, transient, ok counts.",
    others: Others::Refused,
    later: &["redirect", "refresh"],
    keys: &[
        key(
            "stop",
            MATCH,
            "Ends the run; its records stay pending.",
            "body.error.type == 'insufficient_quota'",
        ),
        key("fatal", MATCH, "The record's fault; no repeat.", "[410]"),
        key(
            "throttled",
            MATCH,
            "Too fast: repeat after a pause.",
            "body.status == 'OVER_QUERY_LIMIT'",
        ),
        key("transient", MATCH, "Worth a repeat.", "[520, 521]"),
        key("ok", MATCH, "A success.", "[404]"),
    ],
};

const MATCH: Shape = Shape::Either(&[Shape::Statuses, Shape::Expr]);
