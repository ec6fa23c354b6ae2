@0xb5a2f7d1c3e49608;

# One procedure that gives back what it gets, as bytes or as a structure.
interface Mirror {
  struct Sample {
    id @0 :UInt64;
    name @1 :Text;
    values @2 :List(UInt64);
  }

  echo @0 (data :Data) -> (data :Data);
  sample @1 (sample :Sample) -> (sample :Sample);
}
