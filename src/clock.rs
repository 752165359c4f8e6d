//! The only place that reads time.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970-01-01 UTC; 0 where the clock stands before that.
#[must_use]
pub fn wall_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A clock that never goes back.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Lets other threads and processes go on for a while.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
