//! Figures of Tidegate, each beside its rival
