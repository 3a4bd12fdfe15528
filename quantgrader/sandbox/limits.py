"""What one submission may use."""

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Limits:
    """Upper bounds for one submission: seconds, bytes, counts.

    Parameters
    ----------
    cell_seconds : float
        Wall time of one cell; then it is interrupted, and its kernel ended if it goes on.
    probe_seconds : float
        Wall time of one call of a graded function.
    total_seconds : float
        Wall time of the whole submission, all its kernels together.
    cpu_seconds : int
        CPU time of one kernel with all its processes.
    memory_bytes : int
        Memory of one kernel with all its processes, beyond what the imports take.
    processes : int
        Processes and threads at a time.
    disk_bytes : int
        Temporary files, all together.
    cell_output_bytes, total_output_bytes : int
        Output that is kept, of one cell and of all. What is beyond is cut.
    received_bytes : int
        Output that is received at all; then the kernel is ended.
    result_bytes : int
        Encoded result of one call.
    total_result_bytes, total_values : int
        Encoded results of all calls, and the numbers, texts and lists in them: a list takes many
        times the memory of its text. Each function may give its share.
    message_values : int
        Numbers, texts and lists in one message of the kernel; then it is ended.
    attempts : int
        Kernels for one submission. A cell that ends its kernel does not cost the cells after it:
        they run in a new one, without it.
    """

    cell_seconds: float = 60
    probe_seconds: float = 30
    total_seconds: float = 600
    cpu_seconds: int = 600
    memory_bytes: int = 2 << 30
    processes: int = 64
    disk_bytes: int = 256 << 20
    cell_output_bytes: int = 1_000_000
    total_output_bytes: int = 10_000_000
    received_bytes: int = 64_000_000
    result_bytes: int = 16 << 20
    total_result_bytes: int = 64 << 20
    total_values: int = 1_000_000
    message_values: int = 1_000_000
    attempts: int = 6

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ValueError(f"{field.name} must be a positive number, got {value!r}")

    def as_dict(self):
        """The limits as a dict of numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data):
        """Limits from what `as_dict` gave."""
        return cls(**data)
