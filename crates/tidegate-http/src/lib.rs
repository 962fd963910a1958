//! The HTTP boundary of Tidegate: one client, its limits and its outcomes
