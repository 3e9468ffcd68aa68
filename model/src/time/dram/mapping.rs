//! Which bits of a physical address select what.

use super::BURST_BYTES;
use super::settings::Organisation;
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

/// Where a burst lies.
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
}

impl Mapping {
    /// Reads a mapping such as `RoRaBaBgCoCh`: field names, most significant first, each exactly once.
    /// The bytes of a burst, and with them the lowest column bits, lie below all fields.
    pub fn new(text: &str, organisation: &Organisation) -> Result<Self, InvalidSetting> {
        let bad = |problem: String| InvalidSetting::new("dram.mapping", problem);
        let bursts = organisation.columns / super::BURST;
        let group = organisation.banks.ilog2();
        let rank = organisation.banks_a_rank().ilog2();
        // With the place of its lowest bit: rank, bank group and bank make up one number.
        let mut fields = [
            ("Ro", organisation.rows, 0, None),
            ("Ra", organisation.ranks, rank, None),
            ("Ba", organisation.banks, 0, None),
            ("Bg", organisation.bank_groups, group, None),
            ("Co", bursts, 0, None),
            ("Ch", organisation.channels, 0, None),
        ];
        let mut shift = BURST_BYTES.ilog2();
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
        })
    }

    /// Where the burst at `addr` lies.
    #[inline]
    pub fn place(&self, addr: PhysAddr) -> Place {
        let PhysAddr(addr) = addr;
        Place {
            channel: self.channel.of(addr),
            bank: self.rank.of(addr) | self.bank_group.of(addr) | self.bank.of(addr),
            row: self.row.of(addr),
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
        columns: 1 << 10,
    };

    #[test]
    fn fields_lie_above_the_burst_in_the_order_of_the_text() {
        let mapping = Mapping::new("RoRaBaBgCoCh", &ORGANISATION).unwrap();
        // 6 bits of burst, 1 channel, 7 column, 2 bank group, 2 bank, 1 rank, 16 row.
        let addr = 63 | 1 << 6 | 0x55 << 7 | 2 << 14 | 3 << 16 | 1 << 18 | 0xabcd << 19;
        let place = Place { channel: 1, bank: (4 + 2) * 4 + 3, row: 0xabcd };
        assert_eq!(mapping.place(PhysAddr(addr)), place);
        assert_eq!(mapping.place(PhysAddr(addr + (1 << 35))), place, "wraps at 32 GiB");
    }

    #[test]
    fn low_bits_may_select_the_rank_of_many_banks() {
        let organisation = Organisation { bank_groups: 16, banks: 16, ..ORGANISATION };
        let mapping = Mapping::new("RoCoBaBgChRa", &organisation).unwrap();
        // 6 bits of burst, 1 rank, 1 channel, 4 bank group, 4 bank, 7 column, 16 row.
        let addr = 1 << 6 | 0xa << 8 | 0x5 << 12 | 0x1234 << 23;
        let place = Place { channel: 0, bank: 256 + 0xa * 16 + 0x5, row: 0x1234 };
        assert_eq!(mapping.place(PhysAddr(addr)), place);
    }

    #[test]
    fn every_field_exactly_once() {
        let problem = |text| Mapping::new(text, &ORGANISATION).unwrap_err().message;
        assert_eq!(problem("RoRaBaBgCoCo"), "names `Co` twice");
        assert_eq!(problem("RoRaBaBgCh"), "does not name `Co`");
        assert!(problem("RoRaBaBgCoXy").contains("no field `Xy`"));
        assert!(problem("RoRaBaBgCoC").contains("no field"));
        assert!(problem("Röé").contains("no field"));
        assert_eq!(problem(""), "does not name `Co`");
    }
}
