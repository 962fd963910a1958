//! Structured async for Rust, on tokio: scopes, cancellation, policies, backpressure
