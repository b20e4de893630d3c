//! Unpacks a body, with a bound on what comes out and on the number of parts it is packed in.
//!
//! Both formats allow many members (frames) one after the other, and members may be empty: ten megabytes of them
//! unpack to nothing and still take a second, so that a bound on the output alone would never be reached.

use std::io::{BufRead, Read};

use super::body::Held;
use super::reply::Problem;

/// Most members of a body. A sender that packs each line by itself has one for each event of a batch.
const MEMBERS: usize = 1000;
/// Largest zstd window, as a power of two: 8 MiB, what the format asks every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes unpacked at a time.
const PART: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
}

/// Unpacks into `out`. Keeps a thread busy for up to some tens of milliseconds.
pub(crate) fn unpack(packing: Packing, mut packed: &[u8], mut out: Held) -> Result<Held, Problem> {
    let mut members = 0;
    // One member at least: no bytes at all are no packed body.
    while members == 0 || !packed.is_empty() {
        members += 1;
        if members > MEMBERS {
            return Err(Problem::bad(format!(
                "the packed body has more than {MEMBERS} members; pack it as one"
            )));
        }
        match packing {
            Packing::Gzip => {
                let mut decoder = flate2::bufread::GzDecoder::new(packed);
                drain(&mut decoder, &mut out)?;
                packed = decoder.into_inner();
            }
            Packing::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(packed).map_err(broken)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
                drain(&mut decoder, &mut out)?;
                packed = rest(decoder.finish());
            }
        }
    }
    Ok(out)
}

/// What a reader has not read.
fn rest(mut reader: &[u8]) -> &[u8] {
    // A slice has no buffer of its own: what it shows is all that is left.
    reader.fill_buf().unwrap_or_default();
    reader
}

fn drain(decoder: &mut impl Read, out: &mut Held) -> Result<(), Problem> {
    let mut part = vec![0; PART];
    loop {
        match decoder.read(&mut part).map_err(broken)? {
            0 => return Ok(()),
            length => out.extend(&part[..length])?,
        }
    }
}

fn broken(error: std::io::Error) -> Problem {
    Problem::bad(format!("the packed body cannot be unpacked: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::budget::{Budget, MIN_BYTES};

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 1).unwrap()
    }

    fn unpacked(packing: Packing, packed: &[u8]) -> Result<Vec<u8>, Problem> {
        let out = Held::new(&Budget::new(MIN_BYTES), 1_000_000)?;
        unpack(packing, packed, out).map(|held| held.bytes)
    }

    #[test]
    fn members_one_after_the_other_are_one_body() {
        for (packing, pack) in [(Packing::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Packing::Zstd, zstd)] {
            assert_eq!(unpacked(packing, &pack(b"one")).unwrap(), b"one");
            assert_eq!(
                unpacked(packing, &[pack(b"one\n"), pack(b""), pack(b"two")].concat()).unwrap(),
                b"one\ntwo"
            );
            assert!(unpacked(packing, &[pack(b"one"), b"tail".to_vec()].concat()).is_err(), "{packing:?}");
            assert!(unpacked(packing, b"").is_err(), "{packing:?}: nothing is no packed body");
            assert!(unpacked(packing, &pack(b"one")[..8]).is_err(), "{packing:?}: a part of a member");
        }
    }

    #[test]
    fn the_number_of_members_and_the_size_of_what_comes_out_are_bounded() {
        for (packing, pack) in [(Packing::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Packing::Zstd, zstd)] {
            assert!(unpacked(packing, &pack(b"").repeat(MEMBERS)).is_ok());
            let many = unpacked(packing, &pack(b"").repeat(MEMBERS + 1)).unwrap_err();
            assert!(format!("{many:?}").contains("members"), "{many:?}");
            let large = unpacked(packing, &pack(&vec![0; 1_000_001])).unwrap_err();
            assert!(format!("{large:?}").contains("larger than"), "{large:?}");
        }
    }
}
