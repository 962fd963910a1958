//! The keys of a service and of what stands in it.

use super::{Others, Shape, Table, key};

pub(crate) static SERVICE: Table = Table {
    id: "service",
    name: "a service",
    about: "One remote dependency and its limits, shared by every step and every retry that uses it.",
    others: Others::Refused,
    later: &["per", "proxy", "adaptive", "priority", "cache", "run", "sqlite", "postgres", "nats", "secret"],
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
        key("breaker", Shape::Either(&[Shape::Bool, Shape::Map(&BREAKER)]), "Stops asking for a while when too many attempts fail or are slow; meanwhile records wait, as in an outage. Default false: a service that stops answering is noticed anyway, see `patience`.", "{ failure_ratio: 30% }").or("false"),
        key("hedge", Shape::Either(&[Shape::Bool, Shape::Map(&HEDGE)]), "Asks a second time when an answer takes long, and takes the first; idempotent steps only. Default false: the service answers a few requests more.", "true").or("false"),
        key("queue", Shape::Either(&[Shape::Bool, Shape::Map(&QUEUE)]), "How many calls wait for their turn, and which is next. Default false: the oldest, as nobody gives up in a batch.", "{ limit: 8 }").or("false"),
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

pub(crate) static BREAKER: Table = Table {
    id: "breaker",
    name: "`breaker`",
    about: "When a service counts as broken, and for how long it is left alone.",
    others: Others::Refused,
    later: &[],
    keys: &[
        key("window", Shape::Duration, "How far it looks back. Default 10s: long enough for `min_calls` at 2/s, short enough to notice within seconds.", "30s").or("10s"),
        key("min_calls", Shape::Count(1), "Fewer attempts within `window` show nothing. Default 20: of 3 calls 2 fail by chance.", "50").or("20"),
        key("failure_ratio", Shape::Share, "Opens when this share of the attempts within `window` failed. Default 50%: repeats get a call past less.", "30%").or("50%"),
        key("slow", Shape::Map(&SLOW), "Opens for slow answers too.", "{ after: 5s }"),
        key("consecutive", OR_NOT_AT_ALL, "Failures in a row that open it, however few attempts there are; false: none do. Default 10: while 3 in 10 fail by chance that is one in 170,000.", "false").or("10"),
        key("open_for", Shape::Duration, "How long it stays open, between half and all of it; doubled for each probing that fails. Default 5s: a restart behind a balancer.", "10s").or("5s"),
        key("open_cap", Shape::Duration, "It never stays open for longer. Default 60s: a service that is back is noticed within a minute.", "5m").or("60s"),
        key("probes", Shape::Count(1), "Attempts that probe the service, at once and in all; when all succeed it closes. Default 1: the least that proves something.", "3").or("1"),
    ],
};

pub(crate) static SLOW: Table = Table {
    id: "slow",
    name: "`slow`",
    about: "Which answers are too slow, and how many of them are too many.",
    others: Others::Refused,
    later: &[],
    keys: &[
        key("after", Shape::Duration, "An attempt that takes longer is slow, whatever its result.", "5s"),
        key("ratio", Shape::Share, "Opens when this share of the attempts within `window` were slow. Default 50%: as for failures.", "80%").or("50%"),
    ],
};

pub(crate) static HEDGE: Table = Table {
    id: "hedge",
    name: "`hedge`",
    about: "When a second request is sent beside one that takes long, and how many of these there may be.",
    others: Others::Refused,
    later: &[],
    keys: &[
        key("after", Shape::Either(&[Shape::Percentile, Shape::Duration]), "How long an attempt may take before it is hedged: a percentile of the latest ones, or a time. Default p95: one in twenty.", "150ms").or("p95"),
        key("min_delay", Shape::Duration, "No attempt is hedged earlier, whatever the percentile says. Default 1ms: below that a timer is no help.", "20ms").or("1ms"),
        key("min_samples", Shape::Count(1), "With fewer latencies a percentile is not trusted, and nothing is hedged. Default 20: the fewest of which a p95 leaves one out.", "100").or("20"),
        key("budget", Shape::Share, "Hedges for long, as a share of the successes, in steps of 0.1%. Default 5%: what p95 asks for, and no more when everything is slow.", "1%").or("5%"),
        key("burst", Shape::Count(1), "Hedges that may be sent in a row before `budget` binds. Default 10: a short stall.", "50").or("10"),
    ],
};

pub(crate) static QUEUE: Table = Table {
    id: "queue",
    name: "`queue`",
    about: "How many calls wait for their turn, and which of them is next.",
    others: Others::Refused,
    later: &[],
    keys: &[
        key("limit", Shape::Count(1), "Calls that may wait for their first attempt; while so many do, no further record is taken. Default 1024: more than the records in flight usually ask for.", "8").or("1024"),
        key("newest_first_after", Shape::Either(&[Shape::Duration, Shape::False]), "Once a call has waited this long the newest is next, until none has; false: always the oldest. Default 100ms: a queue that stands for longer is no burst.", "false").or("100ms"),
    ],
};

/// A count, or false for none.
const OR_NOT_AT_ALL: Shape = Shape::Either(&[Shape::Count(1), Shape::False]);

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
