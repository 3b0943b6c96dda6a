# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.model.secretbox import (
    hsalsa20,
    open_box,
    poly1305,
)

#: D. J. Bernstein, "Cryptography in NaCl", sections 8 to 10: the shared key of Alice and Bob
SHARED = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
FIRST = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
SECOND = bytes.fromhex("dc908dda0b9344a953629b733820778880f3ceb421bb61b91cbd4c3e66256ce4")
MESSAGE = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc"
    "e5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb31"
    "0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
    "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f93776384864"
    "5e0705"
)
BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce"
    "48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c972"
    "71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae"
    "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b3"
    "7973f622a43d14a6599b1f654cb45a74e355a5"
)


def test_the_vectors_of_nacl() -> None:
    assert hsalsa20(SHARED, bytes(16)) == FIRST
    assert hsalsa20(FIRST, NONCE[:16]) == SECOND
    assert open_box(BOX, NONCE, FIRST) == MESSAGE


@pytest.mark.parametrize(
    ("key", "message", "tag"),
    [
        # RFC 8439, 2.5.2
        (
            "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
            b"Cryptographic Forum Research Group",
            "a8061dc1305136c6c22b8baf0c0127a9",
        ),
        # RFC 8439, A.3, number 7 to 9: sums beyond 2^130 - 5
        ("02" + "00" * 31, b"\xff" * 16, "03" + "00" * 15),
        ("02" + "00" * 15 + "ff" * 16, b"\x02" + bytes(15), "03" + "00" * 15),
        (
            "01" + "00" * 31,
            b"\xff" * 16 + b"\xf0" + b"\xff" * 15 + b"\x11" + bytes(15),
            "05" + "00" * 15,
        ),
    ],
)
def test_poly1305(key: str, message: bytes, tag: str) -> None:
    assert poly1305(bytes.fromhex(key), message).hex() == tag


def test_what_was_changed_stays_closed() -> None:
    for place in range(len(BOX)):
        changed = bytearray(BOX)
        changed[place] ^= 1
        assert open_box(bytes(changed), NONCE, FIRST) is None
    assert open_box(BOX, NONCE, SHARED) is None
    assert open_box(BOX, bytes(24), FIRST) is None
    for cut in (0, 15, len(BOX) - 1):
        assert open_box(BOX[:cut], NONCE, FIRST) is None
    assert open_box(BOX, NONCE[:23], FIRST) is None
    assert open_box(BOX, NONCE, FIRST[:31]) is None
