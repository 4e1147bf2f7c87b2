//! The threads that connections live on.
//!
//! A connection stays on one thread, with an event loop that it shares with few others, so that a
//! small file costs no change of threads: its name is looked up, it is written, synced and recorded
//! where its bytes arrived. While one thread waits for the disk, the others go on, and what they wait
//! for is synced and committed together. What takes long goes to a pool all the same.
//!
//! Threads begin when they are needed and stay until the door closes.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads at most; beyond, connections share them.
const THREADS_MAX: usize = 32;
/// Threads of one event loop's pool at most: for the channels of its connections and for the files
/// that are being written.
const POOL_MAX: usize = 32;

/// The threads.
#[derive(Default)]
pub struct Threads(Mutex<Vec<Thread>>);

struct Thread {
    /// Where its event loop is given work.
    events: Handle,
    /// Connections on it.
    connections: Arc<AtomicUsize>,
    /// Dropped to end it.
    end: Option<oneshot::Sender<()>>,
    joined: Option<JoinHandle<()>>,
}

/// A connection's place on a thread, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Runs a connection to its end on the thread that has fewest.
    ///
    /// # Errors
    /// What the system said when there is no thread and none can be had.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = |thread: &Thread| thread.connections.load(Ordering::Relaxed) > 0;
        if threads.len() < THREADS_MAX && threads.iter().all(busy) {
            match Thread::start(threads.len()) {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                Err(error) => tracing::warn!(%error, "no further thread for connections"),
            }
        }
        let idlest = threads.iter().min_by_key(|thread| thread.connections.load(Ordering::Relaxed));
        if let Some(thread) = idlest {
            thread.connections.fetch_add(1, Ordering::Relaxed);
            let place = Place(Arc::clone(&thread.connections));
            thread.events.spawn(async move {
                connection.await;
                drop(place);
            });
        }
        Ok(())
    }

    /// Ends the threads. What still runs on them is dropped where it waits.
    pub fn end(self) {
        let mut threads = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for thread in &mut threads {
            drop(thread.end.take());
        }
        for joined in threads.into_iter().filter_map(|thread| thread.joined) {
            if joined.join().is_err() {
                tracing::error!("a thread of the SFTP door panicked");
            }
        }
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(POOL_MAX).build()?;
        let events = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let joined = thread::Builder::new().name(format!("sftp-{number}")).spawn(move || {
            // Nothing is ever sent: the sender is dropped.
            drop(runtime.block_on(ended));
        })?;
        Ok(Self { events, connections: Arc::default(), end: Some(end), joined: Some(joined) })
    }
}
