//! The rival as a user builds it: the multi-threaded runtime and the default allocator.

#![forbid(unsafe_code)]

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tidegate_bench::rival::run(std::env::args().skip(1)).await
}
