//! The rival with the runner's allocator; built with the runner's profile too.

#![forbid(unsafe_code)]

use std::error::Error;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tidegate_bench::rival::run(std::env::args().skip(1)).await
}
