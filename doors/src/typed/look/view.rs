//! What all looks at one type have in common.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::de::Visitor;

use super::Refused;
use super::fields::Place;
use super::known::{Choice, Known, Sight};
use crate::sys::kind;
use crate::typed::decode::DEPTH;
use crate::typed::room::Room;
use crate::typed::shape::Shape;

/// More looks do not show more, beside those for each variant and for each part that is passed over.
const LOOKS: usize = 1_000;

/// A type that refuses every sample is looked at so often, each time with other samples for all its parts.
pub(super) const SAMPLES: usize = 8;

/// After so many parts of one look, what it has been at before is looked at no more than necessary: types that name each other
/// again and again have more ways than there is to see.
const BRIEF: usize = 1_000;

/// One look goes to so many parts, and all together to so many.
const PARTS: usize = 20_000;
const ALL_PARTS: usize = 1_000_000;

/// A type's visitor, which no other type has, and its name, since a visitor may serve several.
pub(super) type Key = (TypeId, &'static str);

/// What is known after some looks.
pub(super) struct View {
    numbers: RefCell<HashMap<Key, u32>>,
    /// By number.
    pub(super) known: RefCell<Vec<(Key, Known)>>,
    /// What is being looked at, and whether it has a name.
    stack: RefCell<Vec<(u32, bool)>>,
    /// What this look has been at.
    done: RefCell<HashSet<u32>>,
    /// Inside a type that contains itself: nothing more than necessary is looked at.
    pub(super) short: Cell<usize>,
    /// How often each part refused a sample.
    refused: RefCell<HashMap<TypeId, usize>>,
    /// How often each choice did.
    choices: RefCell<HashMap<u32, usize>>,
    /// Which sample all parts begin with.
    pub(super) samples: Cell<usize>,
    /// There is a variant that was not seen yet.
    pub(super) unseen: Cell<bool>,
    /// This look has shown something, or the next one will be another.
    pub(super) moved: Cell<bool>,
    /// What was seen of parts so far.
    kept: RefCell<HashMap<Place, Vec<Shape>>>,
    /// Fields that refuse everything: the others are asked for without them.
    skipped: RefCell<HashSet<(Place, usize)>>,
    /// The innermost field that refused in this look, and those of all looks whose places were not seen whole since. In order, as
    /// all that decides what is looked at next: two programs have to see the same.
    failed: Cell<Option<(Place, usize)>>,
    failures: RefCell<BTreeMap<Place, usize>>,
    looks: Cell<usize>,
    variants: Cell<usize>,
    parts: Cell<usize>,
    all_parts: Cell<usize>,
    room: RefCell<Room>,
}

fn add(cell: &Cell<usize>, count: usize) {
    cell.set(cell.get().saturating_add(count));
}

impl View {
    pub(super) fn new() -> Self {
        Self {
            numbers: RefCell::default(),
            known: RefCell::default(),
            stack: RefCell::default(),
            done: RefCell::default(),
            short: Cell::default(),
            refused: RefCell::default(),
            choices: RefCell::default(),
            samples: Cell::default(),
            unseen: Cell::default(),
            moved: Cell::default(),
            kept: RefCell::default(),
            skipped: RefCell::default(),
            failed: Cell::default(),
            failures: RefCell::default(),
            looks: Cell::default(),
            variants: Cell::default(),
            parts: Cell::default(),
            all_parts: Cell::default(),
            room: RefCell::new(Room::here()),
        }
    }

    /// Begins another look, if one may show more.
    pub(super) fn begin(&self) -> bool {
        self.stack.borrow_mut().clear();
        self.done.borrow_mut().clear();
        self.short.set(0);
        self.unseen.set(false);
        self.moved.set(false);
        self.failed.set(None);
        add(&self.all_parts, self.parts.replace(0));
        add(&self.looks, 1);
        let variants = self.variants.get().saturating_mul(2);
        let skipped = self.skipped.borrow().len().saturating_mul(SAMPLES);
        let most = LOOKS.saturating_add(variants).saturating_add(skipped);
        self.looks.get() <= most && self.all_parts.get() <= ALL_PARTS
    }

    /// Passes over a field that refused everything; false if there is none.
    pub(super) fn skip(&self) -> bool {
        let mut skipped = self.skipped.borrow_mut();
        let failures = self.failures.borrow();
        let failures = failures.iter().map(|(place, field)| (*place, *field));
        let mut all = self.failed.get().into_iter().chain(failures);
        let Some((place, field)) = all.find(|failure| !skipped.contains(failure)) else {
            return false;
        };
        skipped.insert((place, field));
        // What has this field in it is looked at once more.
        for (number, (_, known)) in (0..).zip(self.known.borrow_mut().iter_mut()) {
            if let Known::Choice(choice) = known {
                for (at, (_, sight)) in choice.variants.iter_mut().enumerate() {
                    let here = place
                        .variant()
                        .is_none_or(|variant| variant == (number, at));
                    if here && matches!(sight, Sight::Partly(_)) {
                        *sight = Sight::Not;
                    }
                }
            }
        }
        self.samples.set(0);
        self.choices.borrow_mut().clear();
        true
    }

    pub(super) fn is_skipped(&self, place: Place, field: usize) -> bool {
        self.skipped.borrow().contains(&(place, field))
    }

    /// A field refused.
    pub(super) fn fail(&self, place: Place, field: usize) {
        if self.failed.get().is_none() {
            self.failed.set(Some((place, field)));
            self.failures.borrow_mut().insert(place, field);
        }
    }

    /// All fields did not.
    pub(super) fn succeed(&self, place: Place) {
        self.failures.borrow_mut().remove(&place);
    }

    /// The shapes of all parts, as far as they were seen now or before.
    pub(super) fn keep(&self, place: Place, now: Vec<Shape>) -> Vec<Shape> {
        let mut kept = self.kept.borrow_mut();
        let kept = kept.entry(place).or_default();
        kept.resize(now.len(), Shape::Hidden);
        for (kept, now) in kept.iter_mut().zip(now) {
            if now != Shape::Hidden {
                *kept = now;
            }
        }
        kept.clone()
    }

    /// The number of a type.
    pub(super) fn number<V: Visitor<'static>>(&self, name: &'static str) -> Result<u32, Refused> {
        let key = (kind::of::<V>(), name);
        let mut known = self.known.borrow_mut();
        let next = u32::try_from(known.len()).map_err(|_| Refused)?;
        let number = *self.numbers.borrow_mut().entry(key).or_insert(next);
        if number == next {
            known.push((key, Known::Number));
        }
        Ok(number)
    }

    /// Whether more is known of a type than that there is one.
    pub(super) fn knows(&self, number: u32) -> bool {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let known = self.known.borrow();
        !matches!(known.get(at), None | Some((_, Known::Number)))
    }

    pub(super) fn learn(&self, number: u32, what: Known) {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some((_, known)) = self.known.borrow_mut().get_mut(at) {
            *known = what;
        }
    }

    pub(super) fn name(&self, number: u32) -> String {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let known = self.known.borrow();
        let name = known.get(at).map_or("", |((_, name), _)| *name);
        name.to_owned()
    }

    /// What is known of a choice.
    pub(super) fn choice<T>(&self, number: u32, with: impl FnOnce(&mut Choice) -> T) -> Option<T> {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        match self.known.borrow_mut().get_mut(at) {
            Some((_, Known::Choice(choice))) => Some(with(choice)),
            _ => None,
        }
    }

    /// A choice of so many variants was found.
    pub(super) fn found(&self, variants: usize) {
        add(&self.variants, variants);
    }

    /// Whether a choice was tried too often.
    pub(super) fn stuck(&self, number: u32) -> bool {
        let mut refused = self.choices.borrow_mut();
        let count = refused.entry(number).or_insert(0);
        *count = count.saturating_add(1);
        *count > SAMPLES
    }

    pub(super) fn refused(&self, part: TypeId) -> usize {
        self.refused.borrow().get(&part).copied().unwrap_or(0)
    }

    pub(super) fn refuse(&self, part: TypeId) {
        let mut refused = self.refused.borrow_mut();
        let count = refused.entry(part).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Whether a type that has a name is to be looked at no more than necessary: it is being looked at further up.
    pub(super) fn enter(&self, number: u32) -> Result<bool, Refused> {
        let above = self.stack.borrow().contains(&(number, true));
        let known = self.parts.get() > BRIEF && self.done.borrow().contains(&number);
        self.push(number, true, above || known)
    }

    /// Whether a type that has none contains itself, with none that has one between.
    pub(super) fn enter_nameless(&self, number: u32) -> Result<bool, Refused> {
        let stack = self.stack.borrow();
        let nameless = stack.iter().rev().take_while(|(_, named)| !named);
        let above = nameless.into_iter().any(|(other, _)| *other == number);
        drop(stack);
        self.push(number, false, above)
    }

    fn push(&self, number: u32, named: bool, above: bool) -> Result<bool, Refused> {
        add(&self.parts, 1);
        let mut stack = self.stack.borrow_mut();
        // No value goes deeper.
        let deep = u32::try_from(stack.len()).map_or(true, |levels| levels >= DEPTH);
        if deep || self.parts.get() > PARTS || !self.room.borrow_mut().is_left() {
            return Err(Refused);
        }
        stack.push((number, named));
        if above {
            add(&self.short, 1);
        }
        Ok(above)
    }

    /// The same type is left.
    pub(super) fn leave(&self, above: bool, whole: bool) {
        if above {
            self.short.set(self.short.get().saturating_sub(1));
        }
        if let Some((number, true)) = self.stack.borrow_mut().pop()
            && whole
        {
            self.done.borrow_mut().insert(number);
        }
    }
}
