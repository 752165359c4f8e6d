//! Payloads to start from: every part of the format, small.

use afml_cache::digest::Digest;
use afml_cache::format::{Draft, Meta, Part, Seal, Secret, Seen, Source, Writer};
use std::path::Path;

fn part(number: usize) -> Part {
    Part {
        label: format!("argument `x{number}`"),
        digest: Digest::of(&[number as u8]),
        text: "1".repeat(number),
    }
}

fn tree(leaves: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.u8(12);
    writer.u64(leaves as u64 + 2);
    for leaf in 0..leaves {
        writer.u8(48);
        writer.bytes(b"<f8");
        writer.u64(1);
        writer.u64(3);
        writer.u8(0);
        writer.u64(leaf as u64);
    }
    writer.u8(7);
    writer.bytes("text \u{1f600}".as_bytes());
    writer.u8(242);
    writer.bytes(b"\x80\x05N.");
    writer.finish()
}

fn payload(leaves: usize, parts: usize, sealed: bool) -> Vec<u8> {
    let draft = Draft {
        key: Digest::of(b"key"),
        created_ns: 1_700_000_000_000_000_000,
        seconds: 0.5,
        meta: Meta {
            function: "module.function".into(),
            parts: (0..parts).map(part).collect(),
            time_range: (parts > 1).then_some((i64::MIN, 5)),
            seen: Seen::of((parts > 1).then_some(5)),
        },
        tree: tree(leaves),
        leaves: (0..leaves)
            .map(|leaf| Source::Owned(vec![leaf as u8; 24 * leaf]))
            .collect(),
        code_bearing: sealed,
        compression: None,
        pickled: false,
    };
    let secret = Secret::new(&[7; Secret::SIZE]).expect("32 bytes");
    let seal = Seal {
        secret: &secret,
        store: &[9; 16],
    };
    let layout = draft.lay_out(3, Some(seal));
    layout.expect("there is a seal").whole()
}

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/payload");
    std::fs::create_dir_all(&folder)?;
    for leaves in [0, 1, 2, 5] {
        for parts in [0, 1, 3] {
            for sealed in [false, true] {
                let name = format!("seed-{leaves}-{parts}-{sealed}");
                std::fs::write(folder.join(name), payload(leaves, parts, sealed))?;
            }
        }
    }
    Ok(())
}
