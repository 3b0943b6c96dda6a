# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries of clouds, whose logins come from the cloud's own client library."""

from __future__ import annotations

import re
from typing import NamedTuple

_ECR_PUBLIC = "public.ecr.aws"
#: Amazon ECR user guide, "Private registry authentication"; the newer names have dkr-ecr
_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn)"
)


class EcrPlace(NamedTuple):
    """Whose ECR a host is. ``region`` None: the one that the machine is set up for."""

    account: str | None = None
    region: str | None = None
    public: bool = False
    fips: bool = False


def ecr_place(host: str) -> EcrPlace | None:
    """What the name of a registry of ECR says; None for all others."""
    if host == _ECR_PUBLIC:
        # its API is in one region only
        return EcrPlace(region="us-east-1", public=True)
    found = _ECR.fullmatch(host)
    if not found:
        return None
    return EcrPlace(found["account"], found["region"], fips=bool(found["fips"]))


def is_google(host: str) -> bool:
    """Whether a host is Container Registry or Artifact Registry, by its name."""
    return host == "gcr.io" or host.endswith((".gcr.io", "-docker.pkg.dev"))


def login_hint(host: str) -> str:
    """What to add where ``host`` wants a login and none was found; begins with ``;``."""
    if is_google(host):
        return (
            "; Google's application default credentials are used where the Python library "
            "google-auth is installed and finds some"
        )
    if ecr_place(host):
        return (
            "; AWS credentials are used where the Python library botocore is installed and finds "
            "some, or docker-credential-ecr-login"
        )
    return ""
