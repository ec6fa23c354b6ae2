use doors::door;

#[door]
#[allow_callers]
trait Empty {
    #[allow_callers()]
    fn nobody(&self);
    #[allow_callers(me)]
    #[allow_callers(uid = 0)]
    fn twice(&self);
    #[allow_callers(me, root)]
    fn unknown(&self);
    #[allow_callers(uid = "root")]
    fn named_number(&self);
    #[allow_callers(gid = 4294967295)]
    fn no_id(&self);
    #[allow_callers(uid = -1)]
    fn negative(&self);
    #[allow_callers(group = 0)]
    fn numbered_name(&self);
    #[allow_callers(group = "")]
    fn empty_name(&self);
    #[allow_callers(group)]
    fn no_value(&self);
    #[allow_callers(me = true)]
    fn value(&self);
    #[allow_callers(anyone, uid = 0)]
    fn others(&self);
    #[allow_callers = "me"]
    fn equals(&self);
    #[allow_callers(0)]
    fn number(&self);
}

#[door]
#[allow_callers(wheel)]
fn function() {}

fn main() {
    function();
}
