//! What refers to a door.

/// What refers to a door, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct References {
    /// Pairs that were handed out and whose holder end exists.
    pub(crate) tokens: usize,
    /// Connections through a name.
    pub(crate) paths: usize,
    /// Names.
    pub(crate) attachments: usize,
    /// `Door` values of this process.
    pub(crate) owners: usize,
    /// There has been a reference since the last notice.
    pub(super) armed: bool,
    /// A notice is queued and has not begun.
    pub(super) queued: bool,
    /// A notice is being delivered; the door is weighed again when it is over.
    pub(super) delivering: bool,
}

impl References {
    /// References that keep the door from being unreferenced. The owner's own values are none.
    pub(crate) fn outside(&self) -> usize {
        self.tokens
            .saturating_add(self.paths)
            .saturating_add(self.attachments)
    }
}

/// A kind of reference that comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A handed-out pair.
    Token,
    /// A connection through a name.
    Path,
    /// A name.
    Attachment,
    /// A `Door` value of the owner, or a token the owner made for calls on its own door.
    Owner,
}

impl References {
    pub(super) fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Token => &mut self.tokens,
            Kind::Path => &mut self.paths,
            Kind::Attachment => &mut self.attachments,
            Kind::Owner => &mut self.owners,
        }
    }
}
