//! Sweeps: long work cut into items, none of which is done twice. What an item gave is an entry; what
//! else is known of items, batches and groups stands in the journal.

mod journal;

pub use journal::{Journal, Note};
