//! I/O beside a pool that is full.

use crate::support::*;
use std::{
    hint::spin_loop,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tidegate::{Scope, StopFlag, offload::Pool, scope};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::yield_now,
};

const ROUND_TRIPS: u32 = 1000;

/// The closures compute until a thousand round trips have come back over the runtime's only thread. Ran one of them
/// there, or had the pool made that thread wait, neither would ever end.
#[tokio::test]
async fn io_goes_on_while_every_thread_computes_and_the_queue_is_full() {
    let pool = Pool::new("full");
    let enough = Arc::new(AtomicBool::new(false));
    scope("beside", async |s: &Scope<Fail>| {
        let mut taken = 0;
        loop {
            let enough = enough.clone();
            let work = move |_: &StopFlag| {
                while !enough.load(Relaxed) {
                    spin_loop();
                }
                Ok(())
            };
            match pool.try_spawn(s, "computes", work) {
                Ok(task) => drop(task),
                Err(_full) => break,
            }
            taken += 1;
        }
        while pool.running() * 3 < taken {
            yield_now().await;
        }
        assert_eq!(pool.queued(), pool.running() * 2);

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let echo = s.try_spawn("echo", async move {
            let (mut peer, _) = listener.accept().await?;
            for _ in 0..ROUND_TRIPS {
                let byte = peer.read_u8().await?;
                peer.write_u8(byte).await?;
            }
            Ok(())
        })?;
        let mut peer = TcpStream::connect(address).await?;
        peer.set_nodelay(true)?;
        for n in 0..ROUND_TRIPS {
            let byte = n.to_le_bytes()[0];
            peer.write_u8(byte).await?;
            assert_eq!(peer.read_u8().await?, byte);
        }
        echo.await?;

        // All that time not one closure has ended.
        assert_eq!(pool.running() + pool.queued(), taken);
        enough.store(true, Relaxed);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((pool.running(), pool.queued()), (0, 0));
}
