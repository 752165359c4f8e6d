//! XXH3-128 of long inputs with AVX2, where the processor has it.
//!
//! The crate that we use chooses its instructions when it is compiled, and a wheel must run on
//! every processor of its kind. The digest is the same, to the bit.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_loadu_si256, _mm256_mul_epu32, _mm256_set1_epi64x,
    _mm256_shuffle_epi32, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_xor_si256,
};

/// Shorter inputs take another path through XXH3; these are worth a call.
pub const SHORTEST: usize = 1024;

const STRIPE: usize = 64;
const SECRET: usize = 192;
const STRIPES_PER_BLOCK: usize = (SECRET - STRIPE) / 8;
const BLOCK: usize = STRIPE * STRIPES_PER_BLOCK;

const PRIME32_1: u64 = 0x9E37_79B1;
const PRIME32_2: u64 = 0x85EB_CA77;
const PRIME32_3: u64 = 0xC2B2_AE3D;
const PRIME64_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME64_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME64_5: u64 = 0x27D4_EB2F_1656_67C5;

/// The default secret of XXH3.
#[rustfmt::skip]
const KEY: [u8; SECRET] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

/// The digest, where the processor has AVX2 and the input is long.
pub fn xxh3_128(input: &[u8]) -> Option<u128> {
    if input.len() < SHORTEST || !std::arch::is_x86_feature_detected!("avx2") {
        return None;
    }
    // SAFETY: the processor has AVX2.
    Some(finish(unsafe { accumulate(input) }, input.len() as u64))
}

/// The eight words that a stripe is mixed into.
type Lanes = [__m256i; 2];

#[target_feature(enable = "avx2")]
fn accumulate(input: &[u8]) -> [u64; 8] {
    let mut lanes = start();
    let blocks = (input.len() - 1) / BLOCK;
    for block in input.chunks_exact(BLOCK).take(blocks) {
        for (number, stripe) in block.as_chunks::<STRIPE>().0.iter().enumerate() {
            mix(&mut lanes, stripe, key(8 * number));
        }
        scramble(&mut lanes, key(SECRET - STRIPE));
    }
    let (rest, _) = input[blocks * BLOCK..input.len() - 1].as_chunks::<STRIPE>();
    for (number, stripe) in rest.iter().enumerate() {
        mix(&mut lanes, stripe, key(8 * number));
    }
    if let Some(last) = input.last_chunk::<STRIPE>() {
        mix(&mut lanes, last, key(SECRET - STRIPE - 7));
    }
    let mut words = [0; 8];
    for (half, lane) in words.as_chunks_mut::<4>().0.iter_mut().zip(lanes) {
        // SAFETY: four words are 32 bytes.
        unsafe { _mm256_storeu_si256(half.as_mut_ptr().cast(), lane) };
    }
    words
}

#[target_feature(enable = "avx2")]
fn start() -> Lanes {
    let words = [
        PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1,
    ];
    let mut bytes = [0; STRIPE];
    for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    halves(&bytes)
}

fn key(place: usize) -> &'static [u8; STRIPE] {
    KEY[place..].first_chunk().unwrap_or(&[0; STRIPE])
}

#[target_feature(enable = "avx2")]
fn halves(stripe: &[u8; STRIPE]) -> Lanes {
    let (halves, _) = stripe.as_chunks::<32>();
    // SAFETY: each half is 32 bytes, and the load asks for no alignment.
    [0, 1].map(|half| unsafe { _mm256_loadu_si256((&raw const halves[half]).cast()) })
}

#[target_feature(enable = "avx2")]
fn mix(lanes: &mut Lanes, stripe: &[u8; STRIPE], key: &[u8; STRIPE]) {
    for ((lane, data), key) in lanes.iter_mut().zip(halves(stripe)).zip(halves(key)) {
        let keyed = _mm256_xor_si256(data, key);
        let product = _mm256_mul_epu32(keyed, _mm256_srli_epi64::<32>(keyed));
        let swapped = _mm256_shuffle_epi32::<0b01_00_11_10>(data);
        *lane = _mm256_add_epi64(*lane, _mm256_add_epi64(product, swapped));
    }
}

#[target_feature(enable = "avx2")]
fn scramble(lanes: &mut Lanes, key: &[u8; STRIPE]) {
    let prime = _mm256_set1_epi64x(PRIME32_1.cast_signed());
    for (lane, key) in lanes.iter_mut().zip(halves(key)) {
        let shifted = _mm256_xor_si256(*lane, _mm256_srli_epi64::<47>(*lane));
        let keyed = _mm256_xor_si256(shifted, key);
        let low = _mm256_mul_epu32(keyed, prime);
        let high = _mm256_mul_epu32(_mm256_srli_epi64::<32>(keyed), prime);
        *lane = _mm256_add_epi64(low, _mm256_slli_epi64::<32>(high));
    }
}

fn finish(words: [u64; 8], length: u64) -> u128 {
    let low = merge(&words, 11, length.wrapping_mul(PRIME64_1));
    let high = merge(
        &words,
        SECRET - STRIPE - 11,
        !length.wrapping_mul(PRIME64_2),
    );
    u128::from(high) << 64 | u128::from(low)
}

fn merge(words: &[u64; 8], place: usize, start: u64) -> u64 {
    let pairs = words.as_chunks::<2>().0.iter();
    let mut merged = start;
    for (pair, key) in pairs.zip(key(place).as_chunks::<16>().0) {
        let (low, high) = split(u128::from_le_bytes(*key));
        let product = split(u128::from(pair[0] ^ low) * u128::from(pair[1] ^ high));
        merged = merged.wrapping_add(product.0 ^ product.1);
    }
    merged ^= merged >> 37;
    merged = merged.wrapping_mul(0x1656_6791_9E37_79F9);
    merged ^ merged >> 32
}

/// The low and the high half.
#[allow(clippy::cast_possible_truncation)] // that is what it does
fn split(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::xxh3_128;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_crate(bytes in prop::collection::vec(any::<u8>(), 0..9000), cut in 0..64_usize) {
            let bytes = &bytes[cut.min(bytes.len())..];
            if let Some(digest) = xxh3_128(bytes) {
                prop_assert_eq!(digest, xxhash_rust::xxh3::xxh3_128(bytes));
            }
        }
    }

    #[test]
    fn equals_the_crate_at_every_edge() {
        let bytes: Vec<u8> = (0..5_000_u32)
            .map(|byte| (byte * 31 % 251).to_le_bytes()[0])
            .collect();
        for length in 0..bytes.len() {
            if let Some(digest) = xxh3_128(&bytes[..length]) {
                let expected = xxhash_rust::xxh3::xxh3_128(&bytes[..length]);
                assert_eq!(digest, expected, "{length} bytes");
            }
        }
    }
}
