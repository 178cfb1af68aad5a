//! How far a load of zones is, for people at a terminal. A pipe gets nothing.

use crate::zone::library::Watch;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// The bar of a load; it goes when it is dropped.
pub(super) struct Loading(Option<ProgressBar>);

impl Loading {
    /// Shows it, if standard error is a terminal.
    pub(super) fn show() -> Loading {
        if !std::io::stderr().is_terminal() {
            return Loading(None);
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{spinner} loading zones {wide_bar} {percent} % {elapsed}") {
            bar.set_style(style);
        }
        // A large zone takes its time, in which the bar itself does not move.
        bar.enable_steady_tick(Duration::from_millis(250));
        Loading(Some(bar))
    }

    /// What the library is to tell.
    pub(super) fn watch(&self) -> Option<Watch> {
        let bar = self.0.clone()?;
        Some(Box::new(move |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        }))
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
