//! Single flight within a process: of several callers of one missing key, one computes and the
//! others wait. Between processes the lock of the key does the same (`files/lease.rs`).

use crate::digest::Digest;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// How a flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result is in the store; everybody takes a copy of their own.
    Stored,
    /// The leader had an error, or was interrupted; somebody else may try.
    Failed,
    /// There is a result and it could not be stored; everybody computes at once.
    NotStored,
}

/// One computation under way.
#[derive(Debug)]
pub struct Flight {
    /// The thread that computes; none where a coroutine does, which has no thread of its own.
    leader: Option<ThreadId>,
    outcome: Mutex<Option<Outcome>>,
    landed: Condvar,
}

impl Flight {
    /// Waits a while; the caller looks for signals in between.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Outcome> {
        let outcome = held(&self.outcome);
        let (outcome, _) = self
            .landed
            .wait_timeout_while(outcome, patience, |outcome| outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *outcome
    }
}

/// What a caller of a missing key is told.
#[derive(Debug)]
pub enum Ticket {
    /// Compute it; the others wait for you.
    Lead(Lead),
    /// Somebody computes it.
    Follow(Arc<Flight>),
    /// This very thread computes it: it would wait for itself.
    Alone,
}

/// Every computation under way in this process.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<DashMap<Digest, Arc<Flight>>>);

impl Flights {
    /// Leads, follows, or neither; a coroutine may lead from any thread.
    #[must_use]
    pub fn join(&self, key: Digest, coroutine: bool) -> Ticket {
        let me = thread::current().id();
        match self.0.entry(key) {
            Entry::Vacant(place) => {
                let flight = Arc::new(Flight {
                    leader: (!coroutine).then_some(me),
                    outcome: Mutex::default(),
                    landed: Condvar::new(),
                });
                place.insert(flight.clone());
                Ticket::Lead(Lead {
                    flights: self.clone(),
                    key,
                    flight,
                    outcome: Outcome::Failed,
                    process: std::process::id(),
                })
            }
            Entry::Occupied(place) if place.get().leader == Some(me) => Ticket::Alone,
            Entry::Occupied(place) => Ticket::Follow(place.get().clone()),
        }
    }
}

/// Leading a flight: when it is dropped the flight has landed.
#[derive(Debug)]
pub struct Lead {
    flights: Flights,
    key: Digest,
    flight: Arc<Flight>,
    outcome: Outcome,
    process: u32,
}

impl Lead {
    /// Ends the flight.
    pub fn land(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // A child that was forked inside of the body; those who wait are its parent's.
            return;
        }
        self.flights.0.remove(&self.key);
        *held(&self.flight.outcome) = Some(self.outcome);
        self.flight.landed.notify_all();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Flights, Outcome, Ticket};
    use crate::digest::Digest;
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn one_leads_and_the_others_hear_of_it() {
        let (flights, key, started) = (Flights::default(), Digest::of(b"k"), Barrier::new(2));
        thread::scope(|scope| {
            let Ticket::Lead(lead) = flights.join(key, false) else {
                panic!("the first one leads")
            };
            let follower = scope.spawn(|| {
                let Ticket::Follow(flight) = flights.join(key, false) else {
                    panic!("the second one follows")
                };
                started.wait();
                flight.wait(LONG)
            });
            started.wait();
            lead.land(Outcome::Stored);
            assert_eq!(follower.join().unwrap(), Some(Outcome::Stored));
        });
        assert!(matches!(flights.join(key, false), Ticket::Lead(_)));
    }

    #[test]
    fn a_lead_that_is_dropped_has_failed() {
        let (flights, key) = (Flights::default(), Digest::of(b"k"));
        let Ticket::Lead(lead) = flights.join(key, false) else {
            panic!("the first one leads")
        };
        let flight = lead.flight.clone();
        drop(lead);
        assert_eq!(flight.wait(LONG), Some(Outcome::Failed));
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let (flights, key) = (Flights::default(), Digest::of(b"k"));
        let Ticket::Lead(_lead) = flights.join(key, false) else {
            panic!("the first one leads")
        };
        assert!(matches!(flights.join(key, false), Ticket::Alone));
    }
}
