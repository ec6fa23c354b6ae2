#[allow_callers(me, group = "wheel")]
trait Safe {
    #[allow_callers(uid = 0, gid = 7, user = "ada")]
    fn open(&self) -> u8;
    #[allow_callers(anyone)]
    fn knock(&self);
    #[since("1.0")]
    #[leaf]
    fn shut(&self);
}
