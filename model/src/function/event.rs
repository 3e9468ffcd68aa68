//! Records that are no accesses: branches, and what happens to processes and their memory.

use tracegen::record::{Branch, CpuId, Event};

use super::emitter::Draft;
use super::{SimulationError, Simulator};
use crate::cache::settings::Stream;
use crate::outcome::{OutcomeKind, Outcomes, Work};

impl Simulator {
    /// A branch: reported where the predictor got it wrong, with what decides it.
    pub(super) fn branch(
        &mut self,
        branch: &Branch,
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        let lane = self.enter(branch.cpu, out)?;
        let instructions = self.lanes[lane].count_gap(branch.gap);
        let plain = self.plain(Stream::Data);
        self.cpu.emitter.advance(instructions, plain, out);
        if self.cpu.predictor.predict(branch.site, branch.taken) {
            return Ok(());
        }
        let origin = self.lanes[lane].origin(branch.dep, self.cpu.emitter.instructions());
        let origin = origin.unwrap_or_default();
        let draft = Draft {
            kind: OutcomeKind::Mispredict,
            ancestor: origin.outcome,
            chain: origin.chain,
            site: branch.site,
            ..plain
        };
        self.cpu.emitter.emit(draft, out);
        Ok(())
    }

    /// An event: the operating system acts, and what it did becomes an outcome.
    pub(super) fn event(
        &mut self,
        cpu: CpuId,
        event: &Event,
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        let lane = self.enter(cpu, out)?;
        if let Event::Switch { process } = event {
            if self.lanes[lane].process != *process {
                self.lanes[lane].process = *process;
                out.work.push(Work::Switch);
                self.kernel(out);
            }
            return Ok(());
        }
        if !self.translates {
            return Ok(());
        }
        self.effects.clear();
        self.run_process(self.lanes[lane].process);
        self.os.event(self.lanes[lane].process, event, &mut self.effects)?;
        out.work.extend_from_slice(&self.effects.work);
        let receivers = self.shoot_down(out);
        if self.cpu.emitter.has_work(out) {
            self.kernel(out);
        }
        self.invalidate();
        self.interrupt(receivers, out);
        Ok(())
    }

    /// Reports kernel work outside a fault.
    fn kernel(&mut self, out: &mut Outcomes) {
        let draft = Draft { kind: OutcomeKind::Kernel, ..self.plain(Stream::Data) };
        self.cpu.emitter.emit(draft, out);
    }

    /// What a plain first-level hit says of itself.
    pub(super) fn plain(&self, stream: Stream) -> Draft {
        Draft { tlb: self.first_tlb(stream), served: self.first_cache(stream), ..Draft::default() }
    }
}
