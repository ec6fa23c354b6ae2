pub trait Register {
    fn keep(&self, name: &str, call: &Call<'_>, value: u64);
    fn who(&self, _: &doors::Call) -> Result<Who, Nobody>;
}
