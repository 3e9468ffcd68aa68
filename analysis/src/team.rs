//! Threads that help each other: who has more to do at once than one thread can calls for help, who has
//! nothing to do answers.
//!
//! A thread that drives a pass puts independent tasks into a [`Step`], calls for as many helpers as are
//! idle, and takes tasks itself until there are none. A step ends when all its tasks have; that is the
//! only place where threads wait for each other. Which thread runs a task makes no difference to what
//! it computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};

/// What tasks work on.
pub trait Work: Send + Sync {
    /// Runs the task called `task` of the step called `turn`. Tasks of one step are independent.
    fn run(&self, turn: usize, task: usize);
}

/// Some tasks that may run at once.
struct Step {
    work: Arc<dyn Work>,
    turn: usize,
    tasks: Vec<usize>,
    next: AtomicUsize,
    left: AtomicUsize,
    owner: Thread,
}

/// Counts a task as done when it ends, even if it panics: the owner must not wait for ever.
struct Ended<'a>(&'a Step);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if self.0.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.owner.unpark();
        }
    }
}

impl Step {
    /// Takes tasks until there are none.
    fn help(&self) {
        while let Some(&task) = self.tasks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let _ended = Ended(self);
            self.work.run(self.turn, task);
        }
    }
}

/// One thread's place in a team.
pub struct Member {
    calls: Sender<Arc<Step>>,
    answers: Receiver<Arc<Step>>,
    idle: Arc<AtomicUsize>,
}

/// The places of a team of `threads`. Without a second thread there is nobody to help.
pub fn team(threads: usize) -> Vec<Member> {
    let (calls, answers) = unbounded();
    let idle = Arc::new(AtomicUsize::new(0));
    let place =
        |_| Member { calls: calls.clone(), answers: answers.clone(), idle: Arc::clone(&idle) };
    (0..threads).map(place).collect()
}

impl Member {
    /// Whether somebody would answer a call now.
    pub fn has_help(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > 0
    }

    /// Runs `tasks` of `work`, the longest first if the caller lists them so, with whoever is idle.
    /// `meanwhile` is what this thread alone can do and does first.
    pub fn step<R>(
        &self,
        work: Arc<dyn Work>,
        turn: usize,
        tasks: Vec<usize>,
        meanwhile: impl FnOnce() -> R,
    ) -> R {
        let step = Arc::new(Step {
            work,
            turn,
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(tasks.len()),
            tasks,
            owner: std::thread::current(),
        });
        for _ in 0..self.idle.load(Ordering::Relaxed).min(step.tasks.len()) {
            // This place holds a receiver: the channel is open.
            let _ = self.calls.send(Arc::clone(&step));
        }
        let done = meanwhile();
        step.help();
        while step.left.load(Ordering::Acquire) > 0 {
            std::thread::park();
        }
        done
    }

    /// Answers calls for `span`, or for less if there were some.
    pub fn help_for(&self, span: Duration) {
        self.idle.fetch_add(1, Ordering::Relaxed);
        let call = self.answers.recv_timeout(span);
        self.idle.fetch_sub(1, Ordering::Relaxed);
        if let Ok(step) = call {
            step.help();
        }
    }

    /// Answers calls until nobody is left who could call.
    pub fn help(self) {
        let Self { calls, answers, idle } = self;
        drop(calls);
        loop {
            idle.fetch_add(1, Ordering::Relaxed);
            let call = answers.recv();
            idle.fetch_sub(1, Ordering::Relaxed);
            match call {
                Ok(step) => step.help(),
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Counts how often each task ran; task 3 panics if it is told to.
    struct Counts {
        ran: Vec<AtomicUsize>,
        fails: bool,
    }

    impl Work for Counts {
        fn run(&self, turn: usize, task: usize) {
            self.ran[task].fetch_add(turn, Ordering::Relaxed);
            assert!(!(self.fails && task == 3), "as told");
        }
    }

    fn counts(fails: bool) -> Arc<Counts> {
        Arc::new(Counts { ran: (0..20).map(|_| AtomicUsize::new(0)).collect(), fails })
    }

    #[test]
    fn every_task_of_every_step_runs_once_before_the_step_ends() {
        for threads in 1..=4 {
            let mut members = team(threads);
            let owner = members.pop().unwrap();
            std::thread::scope(|scope| {
                members.into_iter().for_each(|member| {
                    scope.spawn(move || member.help());
                });
                let work = counts(false);
                let mut expected = 0;
                for turn in 1..=500 {
                    expected += turn;
                    let own = owner.step(Arc::clone(&work) as _, turn, (0..20).collect(), || turn);
                    assert_eq!(own, turn);
                    let all = work.ran.iter().map(|ran| ran.load(Ordering::Relaxed));
                    assert!(all.into_iter().all(|ran| ran == expected));
                }
                drop(owner);
            });
        }
    }

    #[test]
    fn two_owners_share_their_helpers() {
        let mut members = team(4);
        let seen = Mutex::new(0);
        std::thread::scope(|scope| {
            for member in members.drain(2..) {
                scope.spawn(move || member.help());
            }
            for owner in members.drain(..) {
                scope.spawn(|| {
                    let (work, owner) = (counts(false), owner);
                    for _ in 0..300 {
                        owner.step(Arc::clone(&work) as _, 1, (0..20).collect(), || ());
                    }
                    let ran: usize = work.ran.iter().map(|ran| ran.load(Ordering::Relaxed)).sum();
                    *seen.lock().unwrap() += ran;
                    owner.help();
                });
            }
        });
        assert_eq!(seen.into_inner().unwrap(), 2 * 300 * 20);
    }

    #[test]
    fn a_task_that_panics_does_not_leave_the_others_waiting() {
        let mut members = team(2);
        let owner = members.pop().unwrap();
        let ended = std::thread::scope(|scope| {
            let helper = members.pop().unwrap();
            let helping = scope.spawn(move || helper.help());
            let owning = scope.spawn(move || {
                let work = counts(true);
                owner.step(work as _, 1, (0..20).collect(), || ());
            });
            [owning.join().is_err(), helping.join().is_err()]
        });
        assert!(ended.contains(&true), "whoever ran the task has panicked");
    }
}
