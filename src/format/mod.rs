//! What lies on disk, byte by byte; `docs/format.md` draws it.

mod codec;
mod compress;
mod mac;
mod meta;
mod payload;

pub use codec::{Reader, Writer};
pub use compress::Compression;
pub use mac::{KeyId, Mac, Secret};
pub use meta::{Meta, Part};
pub use payload::{Draft, HEADER, Head, Leaf, Seal, Source};

/// The version of keys: a change to what is digested, or how, raises it.
pub const KEY_VERSION: u32 = 1;
/// The version of payloads.
pub const PAYLOAD_VERSION: u32 = 1;
/// The folder of this layout under the cache's root.
pub const LAYOUT: &str = "v1";
