//! Which bits of a physical address select what.

use super::LINE_BYTES;
use super::settings::{Hash, Organisation};
use crate::address::PhysAddr;
use crate::time::settings::InvalidSetting;

/// A field of the physical address, moved to where it belongs in a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Field {
    /// To the right; a field that has to move to the left goes round.
    rotation: u32,
    mask: u64,
}

impl Field {
    /// The bits of `size` values from `shift` on, as those of a number from `at` on.
    fn new(shift: u32, size: u32, at: u32) -> Self {
        Self { rotation: shift.wrapping_sub(at) % u64::BITS, mask: u64::from(size - 1) << at }
    }

    #[inline]
    fn of(self, addr: u64) -> u32 {
        // Organisation's ranges keep every field under 32 bits.
        (addr.rotate_right(self.rotation) & self.mask) as u32
    }
}

/// Where a line lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub channel: u32,
    /// Over all ranks and bank groups of the channel, in this order.
    pub bank: u32,
    pub row: u32,
}

/// The address mapping. Addresses wrap at the capacity: higher bits select nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    channel: Field,
    rank: Field,
    bank_group: Field,
    bank: Field,
    row: Field,
    hash: Hash,
    /// The width of a bank's number in its rank.
    bank_bits: u32,
}

impl Mapping {
    /// Reads a mapping such as `RoRaBaBgCoCh`: field names, most significant first, each exactly once.
    /// The bytes of a line, and with them the lowest column bits, lie below all fields.
    pub fn new(
        text: &str,
        hash: Hash,
        organisation: &Organisation,
    ) -> Result<Self, InvalidSetting> {
        let bad = |problem: String| InvalidSetting::new("dram.mapping", problem);
        let group = organisation.banks.ilog2();
        let rank = organisation.banks_a_rank().ilog2();
        // With the place of its lowest bit: rank, bank group and bank make up one number.
        let mut fields = [
            ("Ro", organisation.rows, 0, None),
            ("Ra", organisation.ranks, rank, None),
            ("Ba", organisation.banks, 0, None),
            ("Bg", organisation.bank_groups, group, None),
            ("Co", organisation.lines, 0, None),
            ("Ch", organisation.channels, 0, None),
        ];
        let mut shift = LINE_BYTES.ilog2();
        let letters: Vec<char> = text.chars().collect();
        for pair in letters.rchunks(2) {
            let name: String = pair.iter().collect();
            let Some((_, size, at, place)) = fields.iter_mut().find(|(known, ..)| *known == name)
            else {
                return Err(bad(format!(
                    "has no field `{name}`; fields are Ro, Ra, Ba, Bg, Co, Ch"
                )));
            };
            let field = Field::new(shift, *size, *at);
            if place.replace(field).is_some() {
                return Err(bad(format!("names `{name}` twice")));
            }
            shift += size.ilog2();
        }
        let get = |index: usize| {
            let (name, .., field): (&str, u32, u32, Option<Field>) = fields[index];
            field.ok_or_else(|| bad(format!("does not name `{name}`")))
        };
        get(4)?; // The column's place matters only for the shifts of the others.
        Ok(Self {
            row: get(0)?,
            rank: get(1)?,
            bank: get(2)?,
            bank_group: get(3)?,
            channel: get(5)?,
            hash,
            bank_bits: rank,
        })
    }

    /// Where the line at `addr` lies.
    #[inline]
    pub fn place(&self, addr: PhysAddr) -> Place {
        let PhysAddr(addr) = addr;
        let mut place = Place {
            channel: self.channel.of(addr),
            bank: self.rank.of(addr) | self.bank_group.of(addr) | self.bank.of(addr),
            row: self.row.of(addr),
        };
        if self.hash != Hash::None {
            place.bank ^= self.spread(place.row);
        }
        place
    }

    /// What the number of a bank is combined with for `row`.
    #[inline(never)]
    fn spread(&self, row: u32) -> u32 {
        let mask = (1 << self.bank_bits) - 1;
        match self.hash {
            Hash::None => 0,
            Hash::Permutation => row & mask,
            // A rank of one bank has no bits to fold to.
            Hash::Xor if mask == 0 => 0,
            Hash::Xor => {
                let (mut rest, mut folded) = (row, 0);
                while rest > 0 {
                    folded ^= rest & mask;
                    rest >>= self.bank_bits;
                }
                folded
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANISATION: Organisation = Organisation {
        channels: 2,
        ranks: 2,
        bank_groups: 4,
        banks: 4,
        rows: 1 << 16,
        lines: 1 << 7,
        bursts: 1,
        turns: 1,
    };

    #[test]
    fn fields_lie_above_the_burst_in_the_order_of_the_text() {
        let mapping = Mapping::new("RoRaBaBgCoCh", Hash::None, &ORGANISATION).unwrap();
        // 6 bits of line, 1 channel, 7 column, 2 bank group, 2 bank, 1 rank, 16 row.
        let addr = 63 | 1 << 6 | 0x55 << 7 | 2 << 14 | 3 << 16 | 1 << 18 | 0xabcd << 19;
        let place = Place { channel: 1, bank: (4 + 2) * 4 + 3, row: 0xabcd };
        assert_eq!(mapping.place(PhysAddr(addr)), place);
        assert_eq!(mapping.place(PhysAddr(addr + (1 << 35))), place, "wraps at 32 GiB");
    }

    #[test]
    fn low_bits_may_select_the_rank_of_many_banks() {
        let organisation = Organisation { bank_groups: 16, banks: 16, ..ORGANISATION };
        let mapping = Mapping::new("RoCoBaBgChRa", Hash::None, &organisation).unwrap();
        // 6 bits of line, 1 rank, 1 channel, 4 bank group, 4 bank, 7 column, 16 row.
        let addr = 1 << 6 | 0xa << 8 | 0x5 << 12 | 0x1234 << 23;
        let place = Place { channel: 0, bank: 256 + 0xa * 16 + 0x5, row: 0x1234 };
        assert_eq!(mapping.place(PhysAddr(addr)), place);
    }

    /// Rows of one bank, used in turn, go to all banks; the lines of a row stay together; no two addresses
    /// meet; rank and channel are left alone.
    #[test]
    fn hashes_spread_rows_over_banks() {
        let organisation = Organisation { rows: 64, lines: 2, channels: 1, ..ORGANISATION };
        let place = |hash, line: u64| {
            let mapping = Mapping::new("RoRaBaBgCoCh", hash, &organisation).unwrap();
            mapping.place(PhysAddr(line << 6))
        };
        // 1 bit of column, 2 of bank group, 2 of bank, 1 of rank, 6 of row: banks 5 and 5 ^ the row.
        let line = |row: u64| row << 6 | 0b1010;
        let banks = |hash| (0..32).map(|row| place(hash, line(row)).bank).collect::<Vec<_>>();
        assert_eq!(banks(Hash::None), [5; 32]);
        let low: Vec<u32> = (0..32).map(|row| 5 ^ (row & 15)).collect();
        assert_eq!(banks(Hash::Permutation), low);
        let folded: Vec<u32> = (0..32).map(|row| 5 ^ (row & 15) ^ (row >> 4)).collect();
        assert_eq!(banks(Hash::Xor), folded);
        for hash in [Hash::Permutation, Hash::Xor] {
            let mut places: Vec<_> = (0..1 << 12)
                .map(|line| place(hash, line))
                .inspect(|place| assert_eq!(place.channel, 0))
                .map(|place| (place.bank, place.row))
                .collect();
            assert!(places.chunks(2).all(|row| row[0] == row[1]));
            let rank = |line: u64| place(hash, line).bank >> 4;
            assert!((0..1 << 12).all(|line| u64::from(rank(line)) == line >> 5 & 1));
            places.sort();
            places.dedup();
            assert_eq!(places.len(), 1 << 11);
        }
    }

    #[test]
    fn every_field_exactly_once() {
        let problem = |text| Mapping::new(text, Hash::None, &ORGANISATION).unwrap_err().message;
        assert_eq!(problem("RoRaBaBgCoCo"), "names `Co` twice");
        assert_eq!(problem("RoRaBaBgCh"), "does not name `Co`");
        assert!(problem("RoRaBaBgCoXy").contains("no field `Xy`"));
        assert!(problem("RoRaBaBgCoC").contains("no field"));
        assert!(problem("Röé").contains("no field"));
        assert_eq!(problem(""), "does not name `Co`");
    }
}
