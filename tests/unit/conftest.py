# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hypothesis

# Whether a test is fast is not for a busy machine to say. `make check` and `make fuzz` try new
# examples each time; in `make test` what fails is to come from the change. ``few`` is for Pythons
# beside the newest: what is special about one of them shows in a few examples, or in none.
for name, examples, same in (("unit", 100, False), ("same", 100, True), ("few", 20, True)):
    hypothesis.settings.register_profile(
        name,
        deadline=None,
        max_examples=examples,
        derandomize=same,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
        print_blob=True,
    )
hypothesis.settings.load_profile("unit")
