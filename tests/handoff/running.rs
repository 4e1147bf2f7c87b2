//! An outbox that runs.

use std::sync::Arc;
use std::thread::JoinHandle;

use landfall::config::Config;
use landfall::handoff::outbox::Outbox;
use landfall::handoff::sinks::courier::Courier;
use landfall::handoff::sinks::secret::Secrets;
use landfall::ops::rows::ParquetRows;
use tokio::sync::watch;

use crate::shop::Shop;

/// An outbox that runs until it is dropped.
pub struct Running {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

pub fn run(shop: &Shop) -> Running {
    run_with(shop, Arc::clone(&shop.config))
}

pub fn run_with(shop: &Shop, config: Arc<Config>) -> Running {
    let (stop, stopped) = watch::channel(false);
    let (zone, clock) = (shop.zone.clone(), shop.clock.clone());
    let courier = courier(shop);
    let outbox = Outbox::new(zone, config, shop.ledger.clone(), courier, clock);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(outbox.run(stopped));
    });
    Running { stop, thread: Some(thread) }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// What tells a shop's sinks.
pub fn courier(shop: &Shop) -> Courier {
    let secrets = Secrets::of_files(shop.zone.root().to_owned());
    Courier::new(secrets, Arc::new(ParquetRows), shop.config.durability)
}
