"""What the processor of this machine is, and which vector units it has."""

import platform
from contextlib import suppress
from pathlib import Path

_INFO = Path("/proc/cpuinfo")
_UNITS = {  # flags of Linux, by the names that people use
    "avx2": "AVX2",
    "avx512f": "AVX512",
    "avx512_vnni": "AVX512-VNNI",
    "avx_vnni": "AVX-VNNI",
    "amx_int8": "AMX",
    "asimd": "NEON",
    "asimddp": "NEON-dotprod",
    "sve": "SVE",
}


def processor_name() -> str:
    return _first("model name") or platform.processor() or platform.machine()


def vector_units() -> tuple[str, ...]:
    """Of the processor, of which a library may use fewer; empty where the system does not say it."""
    flags = (_first("flags") or _first("Features")).split()
    return tuple(name for flag, name in _UNITS.items() if flag in flags)


def _first(field: str) -> str:
    with suppress(OSError):
        for line in _INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == field:
                return value.strip()
    return ""
