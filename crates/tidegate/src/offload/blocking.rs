//! Blocking calls as children of a scope.

use super::{
    StopFlag,
    crew::{Crew, CrewOpts},
    work::Work,
};
use crate::{
    cancel::Fault,
    scope::{Refused, Scope, Task},
};
use std::{panic::Location, sync::OnceLock, time::Duration};

/// tokio's own bound for the same purpose: what waits costs little beside what it waits for.
const MOST_THREADS: usize = 512;

/// Long enough to span the pauses of a busy program, too short to keep the memory of a burst.
const IDLE: Duration = Duration::from_secs(10);

impl<E: Fault> Scope<E> {
    /// Runs a blocking call as a child, on one of the threads kept for that: the scope waits until `work` has returned,
    /// its error or panic is the child's.
    ///
    /// The process has at most 512 such threads, made when needed and ended when idle for 10 s; what comes while all are
    /// busy waits its turn, and is dropped unrun ([`Stopped::NotStarted`](crate::Stopped::NotStarted)) when its scope is
    /// told to stop. So a scope's [`max_children`](crate::Opts::max_children) bounds also what it has waiting, and calls
    /// that wait for each other need [`spawn_thread`](Scope::spawn_thread).
    ///
    /// As any thread, `work` cannot be stopped once it runs: it has to look at its [`StopFlag`]. Inside it the ambient
    /// functions speak of this scope, and tasks can be spawned into it if the caller runs in a runtime. Of
    /// `tokio::task::spawn_blocking` this differs in who waits: the scope, and no runtime.
    ///
    /// When the system gives no thread and there is none yet, the task ends as `Stopped::NotStarted`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tidegate::{Scope, StopFlag, scope};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = scope("read", async |s: &Scope<std::io::Error>| {
    ///     let read = |_: StopFlag| std::fs::read_to_string("Cargo.toml");
    ///     let task = s.spawn_blocking("manifest", read).map_err(std::io::Error::other)?;
    ///     task.await.map_err(std::io::Error::other)
    /// })
    /// .await?;
    /// assert!(text.contains("tidegate"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The scope is full, was told to stop or has ended: `work` comes back.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, name: &'static str, work: F) -> Result<Task<T>, Refused<F>>
    where
        F: FnOnce(StopFlag) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
    {
        if let Err(why) = self.node().try_room() {
            return Err(Refused::new(why.into(), work));
        }
        let (work, task) = Work::new(work, self.node().clone(), name, Location::caller());
        match crew().submit(work) {
            Ok(()) => Ok(task),
            Err((because, work)) => Err(Refused::new(because, work)),
        }
    }
}

fn crew() -> &'static Crew {
    static CREW: OnceLock<Crew> = OnceLock::new();
    CREW.get_or_init(|| {
        Crew::new(CrewOpts {
            name: "tidegate-blocking",
            most_threads: MOST_THREADS,
            idle: Some(IDLE),
        })
    })
}
