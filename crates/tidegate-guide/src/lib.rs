//! The pages in `docs/`: what is here is that their programs are compiled and run, as the examples of this crate.

#![forbid(unsafe_code)]

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../../docs/", $path))]
            pub mod $name {}
        )*
    };
}

pages! {
    guide_1: "guide/1-from-spawn-to-scope.md",
    guide_2: "guide/2-failures.md",
    guide_3: "guide/3-stopping.md",
    guide_4: "guide/4-bounds.md",
    guide_5: "guide/5-joins.md",
    guide_6: "guide/6-blocking.md",
    guide_7: "guide/7-shutdown.md",
    guide_8: "guide/8-testing.md",
    guide_9: "guide/9-policies.md",
    unbounded_start: "pitfalls/unbounded-start.md",
    forgotten_cancellation: "pitfalls/forgotten-cancellation.md",
    blocking_in_async: "pitfalls/blocking-in-async.md",
    cpu_on_io_threads: "pitfalls/cpu-on-io-threads.md",
    late_errors: "pitfalls/late-errors.md",
    futurelock: "pitfalls/futurelock.md",
    buffered_streams: "pitfalls/buffered-streams.md",
}
