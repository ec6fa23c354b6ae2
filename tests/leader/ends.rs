//! What a door owns, dropped with the last reference to it.

use crate::Scene;

/// Who owns what is dropped with a door: its procedure, that of a door with a notice, the notice itself.
const OWNERS: [&str; 3] = ["procedure", "noticed", "notice"];

#[test]
fn a_destructor_may_call_a_door_of_its_own_process() {
    for owner in OWNERS {
        let mut scene = Scene::new("a_destructor_may_call_a_door_of_its_own_process");
        scene.tell(&format!("end {owner} calls"));
        scene.end_subject();
        scene.wait("dropped", 1);
        scene.others_are_served();
    }
}

#[test]
fn a_destructor_that_waits_holds_up_nobody() {
    for owner in OWNERS {
        let mut scene = Scene::new("a_destructor_that_waits_holds_up_nobody");
        scene.tell(&format!("end {owner} waits"));
        scene.end_subject();
        scene.wait("waiting", 1);
        scene.others_are_served();
        // Another door becomes unreferenced, and ends.
        scene.tell("end noticed nothing");
        scene.end_subject();
        scene.wait("dropped", 1);
        scene.tell("raise go");
        scene.wait("dropped", 2);
    }
}

#[test]
fn a_destructor_that_panics_costs_only_itself() {
    let mut scene = Scene::new("a_destructor_that_panics_costs_only_itself");
    for owner in OWNERS {
        scene.tell(&format!("end {owner} panics"));
        scene.end_subject();
    }
    // The thread of the notices, and the one on which what a door owned is dropped, have survived.
    scene.tell("end noticed nothing");
    scene.end_subject();
    scene.wait("dropped", 1);
    scene.wait("notices", 3);
    scene.others_are_served();
}
