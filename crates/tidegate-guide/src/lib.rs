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
}
