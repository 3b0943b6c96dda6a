# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that prints a line and ends, as a Linux executable for two processors.

It is the whole content of the demo's image: machine code written down by hand, as small as it
gets, and real: the image that it is put into runs wherever containers run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

# Where the file is mapped to in memory, and how much of it comes before the code.
BASE = 0x400000
ELF_HEADER, PROGRAM_HEADER = struct.Struct("<16s HHI QQQ I HHHHHH"), struct.Struct("<II QQQQQQ")
HEADERS = ELF_HEADER.size + PROGRAM_HEADER.size

Assembler = Callable[[int, int], bytes]


def executable(architecture: str, text: str) -> bytes:
    """A static executable that prints this line."""
    machine, assemble = MACHINES[architecture]
    line = text.encode() + b"\n"
    # Both instruction sets give code of one length whatever the address, so a first pass tells it.
    code_size = len(assemble(0, 0))
    code = assemble(code_size, len(line))
    size = HEADERS + len(code) + len(line)
    return _headers(machine, size) + code + line


def _x86_64(text_offset: int, length: int) -> bytes:
    return b"".join(
        [
            b"\xb8" + struct.pack("<I", 1),  # mov eax, 1 (write)
            b"\xbf" + struct.pack("<I", 1),  # mov edi, 1 (standard output)
            b"\xbe" + struct.pack("<I", BASE + HEADERS + text_offset),  # mov esi, text
            b"\xba" + struct.pack("<I", length),  # mov edx, length
            b"\x0f\x05",  # syscall
            b"\xb8" + struct.pack("<I", 60),  # mov eax, 60 (exit)
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
        ]
    )


def _aarch64(text_offset: int, length: int) -> bytes:
    def mov(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    def adr(register: int, distance: int) -> int:
        return 0x10000000 | (distance & 3) << 29 | (distance >> 2 & 0x7FFFF) << 5 | register

    svc = 0xD4000001
    write = [mov(8, 64), mov(0, 1), adr(1, text_offset - 2 * 4), mov(2, length), svc]
    leave = [mov(8, 93), mov(0, 0), svc]
    return struct.pack("<8I", *write, *leave)


# The number that ELF has for each, and what writes its code.
MACHINES: dict[str, tuple[int, Assembler]] = {"amd64": (62, _x86_64), "arm64": (183, _aarch64)}


def _headers(machine: int, size: int) -> bytes:
    identification = b"\x7fELF" + bytes([2, 1, 1])  # 64 bits, little-endian, version 1
    elf = ELF_HEADER.pack(
        identification,
        *(2, machine, 1),  # an executable
        *(BASE + HEADERS, ELF_HEADER.size, 0),  # starts behind the headers, of which one follows
        0,
        *(ELF_HEADER.size, PROGRAM_HEADER.size, 1, 0, 0, 0),
    )
    load, read_and_execute, page = 1, 4 | 1, 0x10000
    return elf + PROGRAM_HEADER.pack(load, read_and_execute, 0, BASE, BASE, size, size, page)
