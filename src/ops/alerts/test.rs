//! Whether an alert can be reached.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::handoff::sinks::Answer;
use crate::names::AlertName;
use crate::ops::courier;
use crate::zone::Zone;

use super::message;

/// Sends an alert a message that says that it is a test; how it answered. Nothing of it is recorded.
///
/// # Errors
/// [`Code::Z104`] when there is no such alert; [`Code::Z105`] when it cannot be tried.
pub fn test(zone: &Zone, config: &Config, name: &AlertName) -> Result<Answer, Diagnostic> {
    let alert = config.alerts.get(name).ok_or_else(|| {
        let told = Diagnostic::error(Code::Z104, format!("no alert `{name}` is configured"));
        told.hint("`landfall alert list` shows every alert.")
    })?;
    let now = Clock::system().now();
    let message = message::test(name, zone, &config.name, now);
    let courier = Arc::new(courier::of(zone, config.durability));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Diagnostic::error(Code::Z105, "the alert could not be tried").caused_by(&error)
    })?;
    Ok(runtime.block_on(courier.alert(alert, message, now)))
}
