//! Authentication of what can run code when it is decoded: keyed BLAKE3, fixed here.

use crate::error::{Error, Kind, Result};

/// Names the secret that a payload was sealed with, without giving it away.
pub type KeyId = [u8; 8];
/// The seal of a payload.
pub type Mac = [u8; 32];

/// The secret of one user; it lives outside the cache folder.
#[derive(Clone)]
pub struct Secret {
    key: [u8; Secret::SIZE],
    id: KeyId,
}

impl Secret {
    /// Bytes of a secret.
    pub const SIZE: usize = 32;

    /// Takes the secret's bytes.
    ///
    /// # Errors
    /// They are not 32.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let key: [u8; Self::SIZE] = bytes.try_into().map_err(|_| {
            let length = bytes.len();
            Error::new(
                Kind::Invalid,
                format!("a secret has 32 bytes, this one has {length}"),
            )
        })?;
        let derived = blake3::derive_key("afml-cache 2026 key id", &key);
        let mut id = KeyId::default();
        id.copy_from_slice(&derived[..size_of::<KeyId>()]);
        Ok(Self { key, id })
    }

    /// What lies beside each seal.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The seal over some parts, each behind its length.
    #[must_use]
    pub fn seal(&self, parts: &[&[u8]]) -> Mac {
        *self.hash(parts).as_bytes()
    }

    /// Whether the seal is ours; compared in constant time.
    #[must_use]
    pub fn is_sealed(&self, parts: &[&[u8]], mac: &Mac) -> bool {
        self.hash(parts) == *mac
    }

    fn hash(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_seal_holds_for_its_parts_only() {
        let secret = Secret::new(&[7; 32]).unwrap();
        let mac = secret.seal(&[b"ab", b"c"]);
        assert!(secret.is_sealed(&[b"ab", b"c"], &mac));
        assert!(!secret.is_sealed(&[b"a", b"bc"], &mac));
        assert!(
            !Secret::new(&[8; 32])
                .unwrap()
                .is_sealed(&[b"ab", b"c"], &mac)
        );
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(Secret::new(b"short").is_err());
    }
}
