# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NaCl's secret box: XSalsa20 and Poly1305, to open what is sealed under a key.

D. J. Bernstein, "Cryptography in NaCl" (2009), sections 6 to 10; RFC 8439, 2.5, for Poly1305. In
plain Python, as no library that targets have offers it: it opens private keys, which are small.
"""

from __future__ import annotations

import hmac
import struct

KEY_SIZE, NONCE_SIZE, TAG_SIZE = 32, 24, 16
_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_MASK = 0xFFFFFFFF
#: places of the words of one quarter round: columns, then rows
_QUARTERS = (
    (0, 4, 8, 12),
    (5, 9, 13, 1),
    (10, 14, 2, 6),
    (15, 3, 7, 11),
    (0, 1, 2, 3),
    (5, 6, 7, 4),
    (10, 11, 8, 9),
    (15, 12, 13, 14),
)
_PRIME = (1 << 130) - 5
_CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF


def open_box(box: bytes, nonce: bytes, key: bytes) -> bytes | None:
    """What is in the box; None where the key isn't that of the box, or the box was changed.

    ``nonce`` has 24 bytes, ``key`` 32; the box begins with its tag.
    """
    if len(nonce) != NONCE_SIZE or len(key) != KEY_SIZE or len(box) < TAG_SIZE:
        return None
    tag, sealed = box[:TAG_SIZE], box[TAG_SIZE:]
    # the first 32 bytes of the stream are the key of the tag
    stream = _xsalsa20(key, nonce, KEY_SIZE + len(sealed))
    if not hmac.compare_digest(poly1305(stream[:KEY_SIZE], sealed), tag):
        return None
    return bytes(a ^ b for a, b in zip(sealed, stream[KEY_SIZE:]))


def poly1305(key: bytes, message: bytes) -> bytes:
    """The tag of a message; a key is for one message only."""
    r = int.from_bytes(key[:16], "little") & _CLAMP
    s = int.from_bytes(key[16:32], "little")
    total = 0
    for start in range(0, len(message), 16):
        block = message[start : start + 16] + b"\x01"
        total = (total + int.from_bytes(block, "little")) * r % _PRIME
    return ((total + s) & ((1 << 128) - 1)).to_bytes(16, "little")


def hsalsa20(key: bytes, block: bytes) -> bytes:
    """A key of 32 bytes, made of another and 16 bytes of a nonce."""
    words = _rounds(_state(key, block))
    return struct.pack("<8I", *(words[n] for n in (0, 5, 10, 15, 6, 7, 8, 9)))


def _xsalsa20(key: bytes, nonce: bytes, length: int) -> bytes:
    key, nonce = hsalsa20(key, nonce[:16]), nonce[16:]
    blocks = []
    for number in range((length + 63) // 64):
        state = _state(key, nonce + struct.pack("<Q", number))
        words = [(a + b) & _MASK for a, b in zip(_rounds(state), state)]
        blocks.append(struct.pack("<16I", *words))
    return b"".join(blocks)[:length]


def _state(key: bytes, block: bytes) -> list[int]:
    k, b = struct.unpack("<8I", key), struct.unpack("<4I", block)
    a, c, d, e = _SIGMA
    return [a, *k[:4], c, *b, d, *k[4:], e]


def _rounds(state: list[int]) -> list[int]:
    """The 20 rounds of Salsa20, without the final addition."""
    x = list(state)
    for _double in range(10):
        for a, b, c, d in _QUARTERS:
            x[b] ^= _rotated(x[a] + x[d], 7)
            x[c] ^= _rotated(x[b] + x[a], 9)
            x[d] ^= _rotated(x[c] + x[b], 13)
            x[a] ^= _rotated(x[d] + x[c], 18)
    return x


def _rotated(word: int, bits: int) -> int:
    word &= _MASK
    return (word << bits | word >> (32 - bits)) & _MASK
