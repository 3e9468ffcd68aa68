//! From records to a block's payload.

use crate::batch::{Aside, Batch};
use crate::flt::column::{self, put_varint};
use crate::flt::event;
use crate::flt::layout::Head;
use crate::flt::predict::{self, Predictor, SLOTS, difference};
use crate::record::{AccessKind, Branch};

/// Codes blocks; keeps its memory between them.
#[derive(Default)]
pub struct Encoder {
    residuals: [Vec<u64>; 2],
}

impl Encoder {
    /// Appends the payload of a block of `records` to `out` and returns the head's counts.
    pub fn payload(&mut self, records: &Batch, out: &mut Vec<u8>) -> Head {
        let mut head = Head::default();
        records.kind.iter().for_each(|kind| head.count(*kind));
        column::put(out, records.kind.iter().map(|kind| *kind as u64));
        column::put(out, records.size.iter().map(|size| u64::from(*size)));
        column::put(out, records.cpu.iter().map(|cpu| u64::from(*cpu)));
        // One more, so that an access of its predecessor's instruction is a 0.
        column::put(out, records.gap.iter().map(|gap| u64::from(gap.wrapping_add(1))));
        column::put(out, records.dep.iter().map(|dep| u64::from(*dep)));
        self.addresses(records, out);
        self.sites(&records.site, Some((&records.kind, &records.addr)), out);
        self.asides(records, &mut head, out);
        head
    }

    fn addresses(&mut self, records: &Batch, out: &mut Vec<u8>) {
        let start = predict::start(records.addr.iter().copied());
        let [previous, site] = &mut self.residuals;
        previous.clear();
        site.clear();
        let mut before = start;
        let mut last = [start; SLOTS];
        for ((addr, kind), at) in records.addr.iter().zip(&records.kind).zip(&records.site) {
            previous.push(difference(before, *addr));
            before = *addr;
            let slot = &mut last[predict::slot(*kind, *at)];
            site.push(difference(*slot, *addr));
            *slot = *addr;
        }
        let costs = [column::cost(&records.addr), column::cost(previous), column::cost(site)];
        if costs[0] <= costs[1].min(costs[2]) {
            predicted(Predictor::Direct, 0, &records.addr, out);
        } else if costs[1] <= costs[2] {
            predicted(Predictor::Previous, start, previous, out);
        } else {
            predicted(Predictor::Site, start, site, out);
        }
    }

    /// Sites, of accesses with these kinds and addresses or of branches.
    fn sites(
        &mut self,
        sites: &[u64],
        accesses: Option<(&[AccessKind], &[u64])>,
        out: &mut Vec<u8>,
    ) {
        let start = predict::start(sites.iter().copied());
        let residuals = &mut self.residuals[0];
        residuals.clear();
        let mut before = start;
        for (index, site) in sites.iter().enumerate() {
            if let Some((kinds, addrs)) = accesses
                && kinds[index] == AccessKind::Fetch
            {
                before = addrs[index];
            }
            residuals.push(difference(before, *site));
            before = *site;
        }
        if column::cost(sites) <= column::cost(residuals) {
            predicted(Predictor::Direct, 0, sites, out);
        } else {
            predicted(Predictor::Previous, start, residuals, out);
        }
    }

    fn asides(&mut self, records: &Batch, head: &mut Head, out: &mut Vec<u8>) {
        let asides = &records.asides;
        let mut before = 0;
        let steps: Vec<u64> = asides
            .iter()
            .map(|(at, _)| u64::from(at.saturating_sub(std::mem::replace(&mut before, *at))))
            .collect();
        column::put(out, steps.iter().copied());
        let mut branches: Vec<Branch> = Vec::new();
        let mut events = Vec::new();
        let (mut cpus, mut whats) = (Vec::new(), Vec::new());
        for (_, aside) in asides {
            let (cpu, what) = match aside {
                Aside::Branch(branch) => {
                    branches.push(*branch);
                    (branch.cpu, u8::from(branch.taken))
                }
                Aside::Event(cpu, event) => {
                    let (tag, fields) = event::flatten(event);
                    let count = usize::from(event::FIELDS[usize::from(tag)]);
                    fields[..count].iter().for_each(|field| put_varint(&mut events, *field));
                    (*cpu, tag + 2)
                }
            };
            cpus.push(u64::from(cpu));
            whats.push(u64::from(what));
        }
        head.branches = branches.len() as u32;
        head.events = (asides.len() - branches.len()) as u32;
        column::put(out, cpus.iter().copied());
        column::put(out, whats.iter().copied());
        let sites: Vec<u64> = branches.iter().map(|branch| branch.site).collect();
        self.sites(&sites, None, out);
        column::put(out, branches.iter().map(|branch| u64::from(branch.gap)));
        column::put(out, branches.iter().map(|branch| u64::from(branch.dep)));
        out.extend(events);
    }
}

fn predicted(predictor: Predictor, start: u64, values: &[u64], out: &mut Vec<u8>) {
    out.push(predictor as u8);
    if predictor != Predictor::Direct {
        put_varint(out, start);
    }
    column::put(out, values.iter().copied());
}
