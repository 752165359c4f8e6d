//! What a forked child must not use: whatever has a lock in it, which a thread that the child does
//! not have may hold for ever.

use std::marker::PhantomData;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between this process and the one that asked first.
fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// Counts forks from now on; asking for the process id at each use would be a system call.
fn watch_forks() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        #[cfg(unix)]
        {
            extern "C" fn count() {
                FORKS.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: the handler does nothing but add to an atomic number. Where there is no
            // memory to register it, there is none to fork either.
            unsafe { libc::pthread_atfork(None, None, Some(count)) };
        }
    });
}

/// A value that every process makes for itself: a forked child never touches its parent's.
pub struct PerProcess<T> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    made: AtomicPtr<Made<T>>,
    /// It owns one, which the pointer does not say.
    owned: PhantomData<Made<T>>,
}

struct Made<T> {
    forks: u64,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// A value made by `make`, here and again in each forked child that asks for it.
    pub fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        watch_forks();
        let first = Self::boxed(make());
        Self {
            make: Box::new(make),
            made: AtomicPtr::new(first),
            owned: PhantomData,
        }
    }

    fn boxed(value: T) -> *mut Made<T> {
        let forks = forks();
        Box::into_raw(Box::new(Made { forks, value }))
    }

    /// The value of this process.
    pub fn get(&self) -> &T {
        let known = self.made.load(Ordering::Acquire);
        // SAFETY: what was put there is freed by `drop` alone.
        let made = unsafe { &*known };
        if made.forks == forks() {
            return &made.value;
        }
        self.remade(known)
    }

    /// The parent's value stays where it is, for nobody: to drop it might need its locks.
    #[cold]
    fn remade(&self, parents: *mut Made<T>) -> &T {
        let own = Self::boxed((self.make)());
        let put = self
            .made
            .compare_exchange(parents, own, Ordering::AcqRel, Ordering::Acquire);
        // SAFETY: as in `get`; where another thread was first, ours was seen by nobody.
        unsafe {
            match put {
                Ok(_) => &(*own).value,
                Err(first) => {
                    drop(Box::from_raw(own));
                    &(*first).value
                }
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let made = *self.made.get_mut();
        // SAFETY: `&mut self`: nobody uses it any more. A parent's is left alone.
        unsafe {
            if (*made).forks == forks() {
                drop(Box::from_raw(made));
            }
        }
    }
}

impl<T: Default + Send + Sync + 'static> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::PerProcess;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn a_child_has_its_own_though_the_parents_was_locked() {
        let value = PerProcess::new(|| Mutex::new(1));
        let (locked, is_locked) = channel();
        let (done, is_done) = channel::<()>();
        thread::scope(|scope| {
            let value = &value;
            scope.spawn(move || {
                let mut held = value.get().lock().unwrap();
                *held = 2;
                locked.send(()).unwrap();
                let _ = is_done.recv();
            });
            is_locked.recv().unwrap();
            // SAFETY: the child does nothing but take a lock of its own and end.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let own = *value.get().lock().unwrap();
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(own) };
            }
            let mut status = 0;
            // SAFETY: waits for the child made above.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            drop(done);
            assert_eq!(libc::WEXITSTATUS(status), 1);
        });
        assert_eq!(*value.get().lock().unwrap(), 2);
    }
}
