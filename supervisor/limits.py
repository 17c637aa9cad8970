"""Sets what a specification allows a child to use, from outside, right after the spawn.

By the parent, because between fork and exec only C may run. A child that has not been reaped keeps
its number, so that the number is safe here, other than anywhere else. Invariant: a refusal is a
sentence, never an error: a child without its limit is better than none. Only the runner calls this.
"""

from __future__ import annotations

import resource

from supervisor.spec import ChildSpec


def apply_limits(pid: int, spec: ChildSpec) -> list[str]:
    """Set them on a child that was spawned and not reaped; what was refused, in words."""
    refused = []
    if spec.open_files_max is not None:
        limits = (spec.open_files_max, spec.open_files_max)
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        except ProcessLookupError:
            pass  # gone
        except (OSError, ValueError) as error:  # ValueError: above the hard limit, or the kernel's
            refused.append(f"open_files_max {spec.open_files_max}: {error}")
    if spec.oom_score_adj is not None:
        try:
            with open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
                file.write(str(spec.oom_score_adj))
        except (FileNotFoundError, ProcessLookupError):
            pass
        except OSError as error:
            refused.append(f"oom_score_adj {spec.oom_score_adj}: {error.strerror}")
    return refused
