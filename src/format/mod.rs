//! What lies on disk, byte by byte; `docs/format.md` draws it.

mod codec;
mod compress;
mod draft;
mod exchange;
mod mac;
mod meta;
mod payload;
mod seen;
mod unpack;

pub use codec::{Reader, Writer};
pub use compress::Compression;
pub use draft::{Draft, Layout, Seal, Source};
pub use exchange::Cover;
pub use mac::{KeyId, Mac, Secret};
pub use meta::{Meta, Part};
pub use payload::{ALIGN, HEADER, Head, Leaf, MOST_SECONDS};
pub use seen::Seen;

/// The version of keys: a change to what is digested, or how, raises it.
pub const KEY_VERSION: u32 = 1;
/// The version of payloads.
pub const PAYLOAD_VERSION: u32 = 1;
/// The version of files of exported entries.
pub const EXCHANGE_VERSION: u64 = 1;
/// The folder of this layout under the cache's root.
pub const LAYOUT: &str = "v1";
