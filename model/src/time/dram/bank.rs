//! A bank: its open row, its requests, and when each command to it is legal as far as the bank itself
//! is concerned.

use super::constraint::Command;
use super::legal::{Lanes, Legal, PAST};
use super::settings::Organisation;

/// No row is open.
pub(super) const CLOSED: u32 = u32::MAX;

/// No request.
pub(super) const NOBODY: u16 = u16::MAX;

/// Requests by their places in the channel's queue: the oldest and the youngest of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub first: u16,
    pub last: u16,
}

/// What a channel knows of a bank: one line of the host's cache.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Bank {
    /// The first clock at which each command is legal.
    pub legal: Lanes,
    /// The open row, or [`CLOSED`].
    pub row: u32,
    /// Its candidate: the next command, the request that it serves, and the one before that in its list.
    /// They mean nothing without requests of the direction that is served.
    pub command: Command,
    pub chosen: u16,
    pub before: u16,
    /// When its row was last read or written, if rows are closed after use.
    pub used: i32,
    /// Its reads, and its writes.
    pub lists: [List; 2],
    /// Where the gates of its bank group are.
    pub gates: u16,
    pub rank: u16,
    /// In its rank.
    pub group: u16,
}

impl Bank {
    /// The closed bank number `number` over all ranks.
    pub fn new(number: u32, organisation: &Organisation, legal: &Legal) -> Self {
        let rank = number / organisation.banks_a_rank();
        let group = number % organisation.banks_a_rank() / organisation.banks;
        Self {
            legal: [PAST; _],
            row: CLOSED,
            command: Command::Activate,
            chosen: NOBODY,
            before: NOBODY,
            used: PAST,
            lists: [List { first: NOBODY, last: NOBODY }; 2],
            gates: legal.place(rank, group),
            // The settings' ranges keep both far below 2^16.
            rank: rank as u16,
            group: group as u16,
        }
    }

    /// The next command for a request for `row`, which `column` serves once that is open.
    #[inline]
    pub fn command_for(&self, row: u32, column: Command) -> Command {
        match self.row {
            CLOSED => Command::Activate,
            open if open == row => column,
            _ => Command::Precharge,
        }
    }
}
