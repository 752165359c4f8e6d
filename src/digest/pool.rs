//! Threads that help with one digest and stay a while for the next.
//!
//! Whoever digests never waits for a helper that has not begun: on a busy machine it does the work
//! alone. Helpers go when nothing was to be done for some time. After a fork the child has none of
//! its parent's threads, and a lock may be held for ever; so a pool belongs to one process.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{process, ptr, thread};

/// How long a helper waits for the next digest.
const STAY: Duration = Duration::from_millis(500);

/// Cores that this process may use.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get))
}

/// Runs `mine` here, and `help` meanwhile on up to `helpers` other threads; no helper is inside of
/// `help` any more when this returns.
pub fn together<R>(helpers: usize, help: &(dyn Fn() + Sync), mine: impl FnOnce() -> R) -> R {
    if helpers == 0 {
        return mine();
    }
    let pool = Pool::of_this_process();
    // SAFETY: `Open` waits until no helper runs it, and lets none begin after that.
    let help: &'static (dyn Fn() + Sync) = unsafe { std::mem::transmute(help) };
    let task = Arc::new(Task {
        help,
        inside: Mutex::default(),
        left: Condvar::new(),
    });
    let open = Open { pool, task: &task };
    pool.add(&task, helpers);
    let result = mine();
    drop(open);
    assert!(!lock(&task.inside).panicked, "a helping thread panicked");
    result
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What helpers can help with.
struct Task {
    help: &'static (dyn Fn() + Sync),
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Default)]
struct Inside {
    helpers: usize,
    closed: bool,
    panicked: bool,
}

impl Task {
    fn help(&self) {
        {
            let mut inside = lock(&self.inside);
            if inside.closed {
                return;
            }
            inside.helpers += 1;
        }
        let helped = catch_unwind(AssertUnwindSafe(self.help));
        let mut inside = lock(&self.inside);
        inside.helpers -= 1;
        inside.panicked |= helped.is_err();
        if inside.helpers == 0 {
            self.left.notify_all();
        }
    }
}

/// A task while its owner works on it.
struct Open<'a> {
    pool: &'static Pool,
    task: &'a Arc<Task>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        lock(&self.pool.wanted).retain(|(task, _)| !Arc::ptr_eq(task, self.task));
        let mut inside = lock(&self.task.inside);
        inside.closed = true;
        while inside.helpers > 0 {
            inside = self
                .task
                .left
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The helpers of one process.
struct Pool {
    process: u32,
    /// Tasks, and how many more helpers each may have.
    wanted: Mutex<Vec<(Arc<Task>, usize)>>,
    added: Condvar,
    /// Helpers that there are.
    alive: Mutex<usize>,
}

impl Pool {
    fn of_this_process() -> &'static Self {
        static POOL: AtomicPtr<Pool> = AtomicPtr::new(ptr::null_mut());
        let process = process::id();
        let known = POOL.load(Ordering::Acquire);
        // SAFETY: a pool that was put there is never freed.
        if let Some(pool) = unsafe { known.as_ref() }
            && pool.process == process
        {
            return pool;
        }
        let made = Box::into_raw(Box::new(Self {
            process,
            wanted: Mutex::default(),
            added: Condvar::new(),
            alive: Mutex::default(),
        }));
        let put = POOL.compare_exchange(known, made, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: as above; where another thread was first, ours was seen by nobody.
        unsafe {
            match put {
                Ok(_) => &*made,
                Err(first) => {
                    drop(Box::from_raw(made));
                    &*first
                }
            }
        }
    }

    fn add(&'static self, task: &Arc<Task>, helpers: usize) {
        lock(&self.wanted).push((task.clone(), helpers));
        let mut alive = lock(&self.alive);
        while *alive < helpers {
            // A thread that can't start is done without.
            if thread::Builder::new().spawn(|| self.stay()).is_err() {
                break;
            }
            *alive += 1;
        }
        drop(alive);
        if helpers == 1 {
            self.added.notify_one();
        } else {
            self.added.notify_all();
        }
    }

    /// What a helper does until it goes.
    fn stay(&self) {
        while let Some(task) = self.next() {
            task.help();
        }
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut wanted = lock(&self.wanted);
        loop {
            if let Some((task, helpers)) = wanted.last_mut() {
                let task = task.clone();
                *helpers -= 1;
                if *helpers == 0 {
                    wanted.pop();
                }
                return Some(task);
            }
            let (again, wait) = self
                .added
                .wait_timeout(wanted, STAY)
                .unwrap_or_else(PoisonError::into_inner);
            wanted = again;
            if wait.timed_out() && wanted.is_empty() {
                // Still under the lock: whoever adds a task now sees one helper less.
                *lock(&self.alive) -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::together;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn everything_is_done_once_whoever_helps() {
        for round in 0..300 {
            let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = || {
                while next.fetch_add(1, Ordering::Relaxed) < 100 {
                    sum.fetch_add(1, Ordering::Relaxed);
                }
            };
            together(round % 4, &work, work);
            assert_eq!(sum.into_inner(), 100);
        }
    }

    #[test]
    fn many_can_be_helped_at_once() {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(everything_is_done_once_whoever_helps);
            }
        });
    }

    #[test]
    fn a_panic_of_a_helper_is_not_lost() {
        let helped = std::panic::catch_unwind(|| {
            let begun = AtomicUsize::new(0);
            let help = || {
                begun.fetch_add(1, Ordering::Relaxed);
                panic!("on purpose");
            };
            together(1, &help, || {
                while begun.load(Ordering::Relaxed) == 0 {
                    thread::yield_now();
                }
            });
        });
        assert!(helped.is_err());
    }
}
