# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import logging

import pytest

from ansible_collections.imagesync.registry.plugins.module_utils.transport.quiet import quiet


def test_a_library_is_quiet_inside_and_speaks_again(caplog: pytest.LogCaptureFixture) -> None:
    """Loggers that were there, loud ones too, and those that are made inside; no others."""
    caplog.set_level(logging.DEBUG)
    early = logging.getLogger("fakelibrary.early")
    early.setLevel(logging.DEBUG)
    off = logging.getLogger("fakelibrary.off")
    off.disabled = True
    with quiet("fakelibrary"):
        with quiet("fakelibrary"):
            early.error("canary one")
        early.error("canary two")
        logging.getLogger("fakelibrary").critical("canary three")
        logging.getLogger("fakelibrary.late").critical("canary four")
        logging.getLogger("fakelibrarian").debug("another")
    assert [record.message for record in caplog.records] == ["another"]
    early.debug("first")
    logging.getLogger("fakelibrary.late").debug("second")
    assert [record.message for record in caplog.records[1:]] == ["first", "second"]
    assert off.disabled
    assert logging.getLogger("fakelibrary").level == logging.NOTSET


def test_it_speaks_again_after_an_error() -> None:
    logger = logging.getLogger("fakelibrary.error")
    with pytest.raises(ValueError), quiet("fakelibrary"):
        raise ValueError
    assert not logger.disabled
