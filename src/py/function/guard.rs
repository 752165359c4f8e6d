//! A panic of ours must not reach the user's function: it goes on without the cache.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a part of the cache, and gives what it panicked with instead of its result.
pub(super) fn guarded<T>(part: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(part)).map_err(|panic| said(&*panic))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it does not say why".to_owned())
}
