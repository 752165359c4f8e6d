//! Single flight: of several callers of one missing key, one computes and the others wait.

use crate::digest::Digest;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
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
    leader: ThreadId,
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
pub enum Ticket<'a> {
    /// Compute it; the others wait for you.
    Lead(Lead<'a>),
    /// Somebody computes it.
    Follow(Follow<'a>),
    /// Waiting would never end, since the leader waits for this very thread: compute alone.
    Alone,
}

/// Every computation under way in this process.
#[derive(Debug, Default)]
pub struct Flights {
    flying: DashMap<Digest, Arc<Flight>>,
    /// Which key each waiting thread waits for; a cycle in it would be a deadlock.
    waiting: Mutex<HashMap<ThreadId, Digest>>,
    /// A forked child inherits flights whose leaders it does not have.
    process: AtomicU32,
}

impl Flights {
    /// Leads, follows, or neither.
    pub fn join(&self, key: Digest) -> Ticket<'_> {
        self.leave_parents_behind();
        let me = thread::current().id();
        let flight = match self.flying.entry(key) {
            Entry::Vacant(place) => {
                let flight = Arc::new(Flight {
                    leader: me,
                    outcome: Mutex::default(),
                    landed: Condvar::new(),
                });
                place.insert(flight.clone());
                return Ticket::Lead(Lead {
                    flights: self,
                    key,
                    flight,
                    outcome: Outcome::Failed,
                });
            }
            Entry::Occupied(place) => place.get().clone(),
        };
        let mut waiting = held(&self.waiting);
        if self.would_wait_for(me, flight.leader, &waiting) {
            return Ticket::Alone;
        }
        waiting.insert(me, key);
        Ticket::Follow(Follow {
            flights: self,
            flight,
        })
    }

    fn leave_parents_behind(&self) {
        let process = std::process::id();
        if self.process.swap(process, Ordering::AcqRel) != process {
            self.flying.clear();
            held(&self.waiting).clear();
        }
    }

    fn would_wait_for(
        &self,
        me: ThreadId,
        leader: ThreadId,
        waiting: &HashMap<ThreadId, Digest>,
    ) -> bool {
        let mut ahead = leader;
        loop {
            if ahead == me {
                return true;
            }
            let next = waiting
                .get(&ahead)
                .and_then(|key| self.flying.get(key).map(|flight| flight.leader));
            match next {
                Some(next) => ahead = next,
                None => return false,
            }
        }
    }
}

/// Leading a flight: when it is dropped the flight has landed.
#[derive(Debug)]
pub struct Lead<'a> {
    flights: &'a Flights,
    key: Digest,
    flight: Arc<Flight>,
    outcome: Outcome,
}

impl Lead<'_> {
    /// Ends the flight.
    pub fn land(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.flights.flying.remove(&self.key);
        *held(&self.flight.outcome) = Some(self.outcome);
        self.flight.landed.notify_all();
    }
}

/// Waiting for a flight.
#[derive(Debug)]
pub struct Follow<'a> {
    flights: &'a Flights,
    /// What is waited for.
    pub flight: Arc<Flight>,
}

impl Drop for Follow<'_> {
    fn drop(&mut self) {
        held(&self.flights.waiting).remove(&thread::current().id());
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
            let Ticket::Lead(lead) = flights.join(key) else {
                panic!("the first one leads")
            };
            let follower = scope.spawn(|| {
                let Ticket::Follow(follow) = flights.join(key) else {
                    panic!("the second one follows")
                };
                started.wait();
                follow.flight.wait(LONG)
            });
            started.wait();
            lead.land(Outcome::Stored);
            assert_eq!(follower.join().unwrap(), Some(Outcome::Stored));
        });
        assert!(matches!(flights.join(key), Ticket::Lead(_)));
    }

    #[test]
    fn a_lead_that_is_dropped_has_failed() {
        let (flights, key) = (Flights::default(), Digest::of(b"k"));
        let Ticket::Lead(lead) = flights.join(key) else {
            panic!("the first one leads")
        };
        let flight = lead.flight.clone();
        drop(lead);
        assert_eq!(flight.wait(LONG), Some(Outcome::Failed));
    }

    #[test]
    fn a_wait_that_would_close_a_cycle_is_not_begun() {
        let (flights, one, two) = (Flights::default(), Digest::of(b"1"), Digest::of(b"2"));
        let Ticket::Lead(first) = flights.join(one) else {
            panic!("the first one leads")
        };
        assert!(
            matches!(flights.join(one), Ticket::Alone),
            "a thread that waits for itself"
        );
        let (leading, waiting) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                let Ticket::Lead(_second) = flights.join(two) else {
                    panic!("nobody computes it yet")
                };
                leading.wait();
                let Ticket::Follow(follow) = flights.join(one) else {
                    panic!("no cycle yet")
                };
                waiting.wait();
                assert_eq!(follow.flight.wait(LONG), Some(Outcome::Stored));
            });
            leading.wait();
            waiting.wait();
            assert!(
                matches!(flights.join(two), Ticket::Alone),
                "they would wait for each other"
            );
            first.land(Outcome::Stored);
        });
    }
}
