"""What each row of docs/performance.md must reach, and whether it did.

A ratio is against the best peer unless a peer is named; a share is of this machine's own limit. A
row holds when its ratio and its share hold; rows of generating hold when either does, since a peer
near the bandwidth cannot be beaten by much.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Target:
    model: str
    row: str
    better: float = 0.0      # times the best peer
    named: tuple = ()        # ((start of a peer's name, times that peer), ...)
    share: str = ""          # of_dot_peak, of_read_bandwidth, attention_of_peak
    share_intel: float = 0.0
    share_amd: float = 0.0
    either: bool = False     # ratio or share is enough
    most: float = 0.0        # seconds, or times (file + KV) of memory
    says: str = ""


SMALL, GEMMA = "smollm2-135m", "gemma3-270m"
MIDDLE, LARGE = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"


def prefill(model, better, intel, amd, named=()):
    return Target(model, "prefill-512", better, named, "of_dot_peak", intel, amd)


def decode(model, row, better, share=0.0, either=True):
    return Target(model, row, better, (), "of_read_bandwidth" if share else "", share, share, either)


TARGETS = (
    prefill(LARGE, 2.0, 0.40, 0.55, (("llama.cpp", 2.5),)),
    prefill(SMALL, 1.5, 0.25, 0.35),
    prefill(MIDDLE, 2.5, 0.35, 0.50),
    prefill(GEMMA, 2.5, 0.35, 0.50),
    *(Target(model, "prefill-8192", 0.0, (("llama.cpp f16", 4.0), ("llama.cpp q8_0", 6.0)),
             "attention_of_peak", 0.40, 0.40) for model in (SMALL, MIDDLE, LARGE)),
    decode(SMALL, "decode-128", 1.5, 0.60),
    decode(GEMMA, "decode-128", 1.1),
    decode(MIDDLE, "decode-128", 1.1),
    decode(LARGE, "decode-128", 1.5, 0.85),
    decode(SMALL, "depth-4096", 3.0, 0.70),
    decode(MIDDLE, "depth-4096", 3.0, 0.70),
    decode(LARGE, "depth-4096", 1.7, 0.70),
    *(decode(model, "clients-16", 3.0) for model in (SMALL, MIDDLE, LARGE)),
    *(decode(model, "shared-8", 4.0) for model in (SMALL, MIDDLE, LARGE)),
    *(Target(model, "memory", most=1.15) for model in (SMALL, GEMMA, MIDDLE, LARGE)),
    Target(LARGE, "load", most=1.0),
)

AVX2_PREFILL = 1.3  # times the best peer that was built for the same instruction set


def of(isa):
    """The targets of machines with this instruction set: without AVX-512 reading has a lower one."""
    if isa == "avx512":
        return TARGETS
    return tuple(Target(one.model, one.row, AVX2_PREFILL) if one.row.startswith("prefill") else one
                 for one in TARGETS)


def ratio_of(entry):
    """Times we were better than this peer (at least, if it ran out of time); None if unknown."""
    return entry.get("ratio", entry.get("ratio_at_least"))


def best_ratio(row, start=""):
    """Against the best of the peers whose names start so: the least of their ratios."""
    found = [ratio_of(entry) for name, entry in row["engines"].items()
             if name not in ("Quire", "Quire's server") and name.startswith(start)]
    found = [one for one in found if one is not None]
    return min(found) if found else None


def memory_ratio(row):
    memory = row["memory"]
    return memory["peak_resident_bytes"] / (memory["file_bytes"] + memory["kv_bytes"])


def holds(target, row, amd):
    """True, False, or None if the run had nothing to judge it by."""
    if target.row == "load":
        return row["engines"]["Quire"]["median"] <= target.most
    if target.row == "memory":
        return memory_ratio(row) <= target.most
    ratios = [(best_ratio(row), target.better)] if target.better else []
    ratios += [(best_ratio(row, start), times) for start, times in target.named]
    verdicts = [None if found is None else found >= wanted for found, wanted in ratios]
    share = row.get(target.share) if target.share else None
    wanted = target.share_amd if amd else target.share_intel
    enough = None if share is None else share >= wanted
    if target.either and enough:
        return True
    if target.share and not target.either:
        verdicts.append(enough)
    if not target.either and False in verdicts:
        return False
    return None if None in verdicts or not verdicts else all(verdicts)
