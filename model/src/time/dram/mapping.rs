//! Which bits of a physical address select what.

use super::BURST_BYTES;
use super::settings::Organisation;
use crate::address::PhysAddr;
use crate::time::settings::InvalidSetting;

/// A field of the physical address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Field {
    shift: u32,
    mask: u64,
}

impl Field {
    fn of(self, addr: u64) -> u32 {
        // Organisation's ranges keep every field under 32 bits.
        ((addr >> self.shift) & self.mask) as u32
    }
}

/// Where a burst lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub channel: u32,
    pub rank: u32,
    pub bank_group: u32,
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
        let mut fields = [
            ("Ro", organisation.rows, None),
            ("Ra", organisation.ranks, None),
            ("Ba", organisation.banks, None),
            ("Bg", organisation.bank_groups, None),
            ("Co", bursts, None),
            ("Ch", organisation.channels, None),
        ];
        let mut shift = BURST_BYTES.ilog2();
        let letters: Vec<char> = text.chars().collect();
        for pair in letters.rchunks(2) {
            let name: String = pair.iter().collect();
            let Some((_, size, place)) = fields.iter_mut().find(|(known, ..)| *known == name)
            else {
                return Err(bad(format!(
                    "has no field `{name}`; fields are Ro, Ra, Ba, Bg, Co, Ch"
                )));
            };
            let field = Field { shift, mask: u64::from(*size - 1) };
            if place.replace(field).is_some() {
                return Err(bad(format!("names `{name}` twice")));
            }
            shift += size.ilog2();
        }
        let get = |index: usize| {
            let (name, _, field): (&str, u32, Option<Field>) = fields[index];
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
    pub fn place(&self, addr: PhysAddr) -> Place {
        Place {
            channel: self.channel.of(addr.0),
            rank: self.rank.of(addr.0),
            bank_group: self.bank_group.of(addr.0),
            bank: self.bank.of(addr.0),
            row: self.row.of(addr.0),
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
        let place = Place { channel: 1, rank: 1, bank_group: 2, bank: 3, row: 0xabcd };
        assert_eq!(mapping.place(PhysAddr(addr)), place);
        assert_eq!(mapping.place(PhysAddr(addr + (1 << 35))), place, "wraps at 32 GiB");
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
