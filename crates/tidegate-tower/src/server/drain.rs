//! Letting nobody in any more.

use std::sync::Arc;

use tokio::sync::watch;

/// Closes the doors of every [`Admission`](crate::Admission) that has a clone of it.
///
/// Not needed where connections are children of a scope, as in the example `draining-server`: there the doors close when
/// the scope is told to stop. It is for servers that spawn their connections themselves, as `axum::serve` does.
///
/// # Examples
///
/// ```
/// use axum::Router;
/// use std::{io, time::Duration};
/// use tidegate::{Opts, Reason, Scope, policy::Policy, scope};
/// use tidegate_tower::{AdmissionLayer, Drain};
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let drain = Drain::new();
/// let policy = Policy::named("house").in_flight(64).build()?;
/// let app: Router = Router::new().layer(AdmissionLayer::new(policy).drain(drain.clone()));
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
///
/// // The grace is for the requests that are inside when the scope, or the root above it, is told to stop.
/// let server = Opts::named("server").grace(Duration::from_secs(10));
/// scope(server, async |s: &Scope<io::Error>| {
///     # s.cancel(Reason::User("the end of the example"), Duration::from_secs(10));
///     let told = s.cancelled();
///     let stop = async move {
///         told.await;
///         drain.close();
///     };
///     axum::serve(listener, app).with_graceful_shutdown(stop).await
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Drain {
    closed: Arc<watch::Sender<bool>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            closed: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Drain {
    /// Open doors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses all requests from now on, those that wait at the door too. Those that are inside are finished.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Whether the doors are closed: by [`close`](Self::close), or since the surrounding scope was told to stop.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow() || tidegate::is_cancelled()
    }

    /// Waits until the doors [are closed](Self::is_closed).
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the next call sees the same.
    pub async fn wait_closed(&self) {
        let mut news = self.closed.subscribe();
        tokio::select! {
            // It cannot fail: the sender is here.
            _ = news.wait_for(|closed| *closed) => {}
            _ = tidegate::cancelled() => {}
        }
    }
}
