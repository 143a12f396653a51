"""Who runs where: servers on the first core, everything else on the last."""

from __future__ import annotations

import os

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]


def stay_beside_the_servers() -> None:
    """Keep this process, and all that it starts from now on but servers, away from the servers' core."""
    os.sched_setaffinity(0, {CLIENT_CORE})


def machine() -> dict[str, str]:
    """Say what this machine is."""
    fields = dict(_fields("/proc/cpuinfo"))
    memory_kib = int(dict(_fields("/proc/meminfo"))["MemTotal"].split()[0])
    return {
        "processor": fields.get("model name", os.uname().machine),
        "cores": str(len(CORES)),
        "memory": f"{memory_kib / 1024 / 1024:.0f} GiB",
        "system": f"{os.uname().sysname} {os.uname().release.partition('-')[0]}",
    }


def _fields(path: str) -> list[tuple[str, str]]:
    with open(path, encoding="utf-8") as lines:  # noqa: PTH123 - a file of the kernel
        pairs = (line.partition(":") for line in lines)
        return [(name.strip(), value.strip()) for name, _, value in pairs]
