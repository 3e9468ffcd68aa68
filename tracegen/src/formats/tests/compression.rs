//! Compressed input: every compression, damage in it, and streams that are far larger than they look.

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut info = lz4_flex::frame::FrameInfo::new();
    info.content_checksum = true;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Snappy's framing with checksums.
fn sz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.into_inner().unwrap()
}

/// Snappy's framing with the two chunk types that DynamoRIO adds, in turn, and skippable ones.
fn private_sz(bytes: &[u8]) -> Vec<u8> {
    let mut all = b"\xff\x06\0\0sNaPpY\xfe\x03\0\0abc".to_vec();
    for (index, block) in bytes.chunks(1 << 16).enumerate() {
        let body = match index % 2 {
            0 => snap::raw::Encoder::new().compress_vec(block).unwrap(),
            _ => block.to_vec(),
        };
        all.push(2 + (index % 2) as u8);
        all.extend(&(body.len() as u32).to_le_bytes()[..3]);
        all.extend(body);
    }
    all
}

/// A member of an archive: its local header and data.
fn member(name: &str, bytes: &[u8], method: u16, described: bool) -> Vec<u8> {
    let body = match method {
        0 => bytes.to_vec(),
        _ => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    };
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let sizes = [crc.sum(), body.len() as u32, bytes.len() as u32];
    let mut all = b"PK\x03\x04\x14\0".to_vec();
    all.extend(if described { 8_u16 } else { 0 }.to_le_bytes());
    all.extend(method.to_le_bytes());
    all.extend([0; 4]);
    for size in sizes {
        all.extend(if described { 0 } else { size }.to_le_bytes());
    }
    all.extend((name.len() as u16).to_le_bytes());
    all.extend([0; 2]);
    all.extend(name.as_bytes());
    all.extend(body);
    if described {
        all.extend(b"PK\x07\x08");
        sizes.iter().for_each(|size| all.extend(size.to_le_bytes()));
    }
    all
}

/// What follows the members; readers of a stream look no further than its signature.
const DIRECTORY: &[u8] = b"PK\x01\x02 and so on";

fn zip(bytes: &[u8]) -> Vec<u8> {
    let (first, rest) = bytes.split_at(bytes.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    [
        member("chunk.0000", first, 8, false),
        member("chunk.0001", second, 0, false),
        member("chunk.0002", third, 8, true),
        DIRECTORY.to_vec(),
    ]
    .concat()
}

/// Page numbers that compress to a quarter, about.
fn pages(count: u64) -> String {
    (0..count).map(|page| format!("{}\n", page * 7919 % 10_007)).collect()
}

/// The one without checksums.
const UNCHECKED: &str = "snappy ";

pub(super) type Compress = fn(&[u8]) -> Vec<u8>;
pub(super) const ALL: [(&str, Compress); 7] = [
    ("gzip", gzip),
    ("xz", xz),
    ("zstd", zst),
    ("lz4", lz4),
    ("snappy", sz),
    (UNCHECKED, private_sz),
    ("zip", zip),
];

#[test]
fn every_compression_is_undone_and_a_cut_stream_refused() {
    let text = pages(60_000);
    let wanted = read(text.as_bytes()).unwrap().1;
    for (name, compress) in ALL {
        let whole = compress(text.as_bytes());
        assert!(read(&whole).unwrap().1 == wanted, "{name}");
        for cut in [20, whole.len() / 3, whole.len() - 17] {
            let error = read(&whole[..cut]).unwrap_err();
            let TraceError::Binary { offset, message, .. } = &error else { panic!("{error:?}") };
            assert!(*offset <= cut as u64);
            assert!(
                message.contains(&format!("{} stream is damaged or cut off", name.trim())),
                "{message}"
            );
        }
    }
}

#[test]
fn streams_may_follow_each_other() {
    let text = pages(20_000);
    let (first, second) = text.split_at(40_000);
    let wanted = read(text.as_bytes()).unwrap().1;
    for (name, compress) in ALL.into_iter().filter(|(name, _)| *name != "zip") {
        let mut both = compress(first.as_bytes());
        both.extend(compress(second.as_bytes()));
        assert!(read(&both).unwrap().1 == wanted, "{name}");
    }
}

#[test]
fn checksums_are_verified() {
    let text = pages(60_000);
    for (name, compress) in ALL.into_iter().filter(|(name, _)| *name != UNCHECKED) {
        let mut whole = compress(text.as_bytes());
        let middle = whole.len() / 2;
        whole[middle] ^= 0x10;
        let error = read(&whole).unwrap_err().to_string();
        assert!(error.contains("damaged") || error.contains("expected"), "{name}: {error}");
    }
    // Stored data that no decoder looks at.
    let mut archive = member("a", text.as_bytes(), 0, false);
    archive[100] ^= 1;
    archive.extend(DIRECTORY);
    assert!(read(&archive).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn damaged_archives_are_refused() {
    let good = || member("a", b"1\n2\n", 8, false);
    let with = |at: usize, byte: u8| {
        let mut archive = good();
        archive[at] = byte;
        [archive, DIRECTORY.to_vec()].concat()
    };
    for (what, archive) in [
        ("encrypted", with(6, 1)),
        ("method 12", with(8, 12)),
        ("checksum", with(14, 0)),
        ("should have", with(22, 3)),
        ("should have", with(22, 5)),
        ("where a member's header should be", [good(), good()[4..].to_vec()].concat()),
    ] {
        let error = read(&archive).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
    assert!(read(&good()).is_err(), "an archive without a directory was cut off");
    assert_eq!(read(b"PK\x05\x06 nothing").unwrap().1, []);
}

#[test]
fn damaged_snappy_chunks_are_refused() {
    let start = b"\xff\x06\0\0sNaPpY";
    for chunk in [
        &b"\x01\x02\0\0ab"[..],
        b"\x00\x05\0\0abcde",
        b"\x02\x05\0\0\xff\xff\xff\xff\x7f",
        b"\x03\xff\xff\xff",
        b"\x04\x01\0\0a",
        b"\xff\x06\0\0snappy",
        b"\xfe\x09\0\0a",
    ] {
        let error = read(&[&start[..], chunk].concat()).unwrap_err().to_string();
        assert!(error.contains("snappy stream is damaged or cut off"), "{error}");
    }
}

#[test]
fn a_stream_that_explodes_is_refused_until_the_limit_is_raised() {
    let text = "1\n".repeat(40 << 20);
    let bomb = gzip(text.as_bytes());
    assert!(bomb.len() < text.len() / 500);
    let count = |options: &OpenOptions| {
        let stream = Stream::over(&Input::Stdin, Cursor::new(bomb.clone()), None)?;
        let mut source = open_stream(stream, options)?.1;
        let (mut batch, mut accesses) = (Batch::new(), 0);
        while source.fill(&mut batch)? {
            accesses += batch.accesses();
        }
        Ok::<_, TraceError>(accesses)
    };
    let error = count(&OpenOptions::default()).unwrap_err().to_string();
    assert!(error.contains("--max-expansion"), "{error}");
    let raised = OpenOptions { max_expansion: Some(2000), ..OpenOptions::default() };
    assert_eq!(count(&raised).unwrap(), 40 << 20);
}
