"""What `gesso doctor` finds: one row for each thing that is not as it must be."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Violation:
    """`invariant` is its number in the reliability page (I-3), `subject` the row or file, `sentence` what is wrong."""

    invariant: str
    subject: str
    sentence: str
