#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build a container image and push it to a registry
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Builds an image from a Containerfile with C(buildah) on the host that the task runs on, and brings it to its place on a
    registry. No daemon is needed, and no container engine.
  - It builds when what goes in has changed, and only then. What goes in is the Containerfile, the files of the context,
    O(build_args), O(labels), O(target), O(platforms), O(timestamp) and the digests that the images it names have now. Its
    digest stands in the label C(org.imagesync.inputs) of the image (and in the annotation of that name of an index). An
    image at its place that has it is C(ok).
  - So an image is built again when one that it is built on has moved. That is asked with one request for each.
  - What C(RUN) or C(ADD) fetch from elsewhere is no part of that, since nobody knows it beforehand. O(force) builds anyway.
  - Images that C(FROM), C(COPY --from) and C(RUN --mount) name are fetched by this collection, by the very digests that
    were looked at, with O(registries) and O(auth_file). C(buildah) gets files, and never sees a login. Short names are
    Docker's, so that C(busybox) is C(docker.io/library/busybox:latest).
  - The image is pushed by this collection too. Layers of the images that it is built on stay as they are, so that
    they are mounted where the registry has them. The tag is written last. When anything fails, it stays as it was.
requirements:
  - C(buildah) 1.28 or later
  - Linux
extends_documentation_fragment:
  - imagesync.registry._attributes
  - imagesync.registry._connection
  - imagesync.registry._connection.limits
attributes:
  check_mode:
    support: full
    details:
      - Looks at everything and says whether it would build. Builds nothing and sends not one request that writes.
  diff_mode:
    support: full
    details:
      - Shows the digest of what the image is built from, before and after.
  idempotent:
    support: full
    details:
      - Unless O(force=true).
options:
  image:
    description:
      - Where the image is to be, as a reference with a tag. Without one it is C(latest).
      - It may be in an OCI layout too, as in C(oci:/srv/bundle:registry.example.com/team/app:1.2).
    type: str
    required: true
  containerfile:
    description:
      - The text of the Containerfile.
      - One of O(containerfile) and O(context) is required. With both, C(COPY) takes files from O(context).
    type: str
  context:
    description:
      - The folder to build from, on the host that the task runs on.
      - What C(.containerignore), or else C(.dockerignore), leaves out is neither built from nor looked at. Modes of files
        count, their times and owners don't.
      - The build gets a copy of it, so that it is built from exactly what was looked at.
    type: path
  file:
    description:
      - The Containerfile, in O(context) or by an absolute path. Without it that is C(Containerfile) or C(Dockerfile).
      - An ignore file that is named like it, with C(.containerignore) or C(.dockerignore) at the end, holds for it alone.
    type: path
  platforms:
    description:
      - The platforms to build for, such as V(linux/amd64) or V(arm64). Without it that is the host's own.
      - The result is a plain image for one, and an index of all for several.
      - Where a C(RUN) starts programs of another platform, the host needs an emulator that its kernel knows (C(binfmt_misc),
        as C(qemu-user-static) installs it). C(COPY) and the like need none.
    type: list
    elements: str
  build_args:
    description:
      - Values for C(ARG). They reach C(buildah) by its environment, so that they aren't in the list of processes. Names that
        mean something to C(buildah) itself, as C(PATH) or C(BUILDAH_FORMAT), are the exception.
      - They aren't secret. They can be read from the image, and Ansible shows them unless the task has C(no_log).
    type: dict
  labels:
    description: Labels for the image.
    type: dict
  target:
    description: The stage to build, by its name or number. Without it that is the last.
    type: str
  memory:
    description:
      - The most memory that the build may use, such as V(512M) or V(2G).
      - With O(isolation=chroot) or V(rootless) it is a control group of its own, for C(buildah) and all that it starts. That
        takes root, and control groups that may be written. Where they can't be had, the task fails, and no limit is left
        out in silence.
      - With O(isolation=oci) the container runtime sets it for each C(RUN).
    type: str
  cpus:
    description: The most processors that the build may use, such as V(1.5). Set as O(memory) is.
    type: float
  isolation:
    description:
      - How C(RUN) is kept apart from the host.
      - V(chroot) needs neither a daemon nor a container runtime, and works in most containers. Processes see the network
        and the processes of the host.
      - V(oci) uses C(crun) or C(runc), and so namespaces and control groups of their own. V(rootless) is the same for users
        other than root.
    type: str
    choices: [chroot, oci, rootless]
    default: chroot
  storage_driver:
    description:
      - How the files of images are kept during the build. All of that is below E(TMPDIR), else C(/var/tmp), and gone
        afterwards.
      - V(vfs) works everywhere, and takes a copy of the base image for each stage. V(overlay) is faster and smaller, and
        needs a kernel and a file system that allow it.
    type: str
    choices: [vfs, overlay]
    default: vfs
  timestamp:
    description:
      - Seconds since 1970, as in C(SOURCE_DATE_EPOCH). Given to the image and to all files that the build adds, so that the
        same files make the same digest.
      - Without it the image has the time when it was built, and files that were copied keep theirs. A fixed time for all
        versions makes web servers and browsers take changed files for the same.
    type: int
  deadline:
    description: Minutes after which the build is ended.
    type: int
  force:
    description: Whether to build even if nothing that goes in has changed.
    type: bool
    default: false
notes:
  - C(SIGTERM) ends the build with all its processes, and what it kept on disk is removed.
  - A build that was killed otherwise leaves a folder C(imagesync-build-*) below E(TMPDIR), else C(/var/tmp). The next build
    there removes it when it is an hour old.
seealso:
  - module: imagesync.registry.image_sync
  - module: imagesync.registry.image_sign
"""

EXAMPLES = r"""
---
- name: Add our certificate authority to a base image
  imagesync.registry.image_build:
    image: registry.example.com/base/debian:12
    containerfile: |
      FROM docker.io/library/debian:12-slim
      COPY company-ca.crt /usr/local/share/ca-certificates/
      RUN apt-get update && apt-get install -y ca-certificates && update-ca-certificates
    context: /srv/build/debian
  register: built

- name: Sign it
  imagesync.registry.image_sign:
    image: "{{ built.id }}"
    private_key_path: /etc/pki/build.key

- name: Build for two kinds of processors from a folder
  imagesync.registry.image_build:
    image: registry.example.com/team/app:1.4
    context: /srv/build/app
    file: build/Containerfile
    platforms:
      - linux/amd64
      - linux/arm64
    build_args:
      VERSION: "1.4"
    labels:
      org.opencontainers.image.source: https://git.example.com/team/app
    memory: 4G
    cpus: 2
    registries:
      - name: registry.example.com
        username: builder
        password: "{{ registry_password }}"
"""

RETURN = r"""
image:
  description: The reference in full form.
  returned: success
  type: str
  sample: registry.example.com/team/app:1.4
id:
  description: The image by digest.
  returned: when the image is there, so not where check mode would build it
  type: str
  sample: registry.example.com/team/app@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7
digest:
  description: The image's digest.
  returned: as RV(id)
  type: str
media_type:
  description: The type of what is at the place.
  returned: as RV(id)
  type: str
previous_digest:
  description: What the tag named before.
  returned: when it named something
  type: str
inputs_digest:
  description: The digest of all that goes into the build.
  returned: success
  type: str
  sample: sha256:2a5d6c4f0f7d9c0d0d3bd1d1c6b0a8b8f3e3a2c1c0b9a8978685746352413029
reason:
  description:
    - V(absent), V(inputs_differ) or V(forced) where the image was built, or in check mode would be.
    - V(in_sync) where it is at its place.
  returned: success
  type: str
platforms:
  description: The platforms that the image is for.
  returned: success
  type: list
  elements: str
bases:
  description: The images that the Containerfile names, and the digests that they have now.
  returned: success
  type: dict
  sample:
    docker.io/library/debian:12-slim: sha256:5f7d5664eae4a192c2d2d6cb67fc3f3c7891a8722cd2903cc35aa649a12b0c8d
stats:
  description: What the call took.
  returned: success
  type: dict
  contains:
    seconds:
      description: How long it took.
      type: float
    bytes_downloaded:
      description: Content of blobs that was read from registries.
      type: int
    bytes_uploaded:
      description: Content of blobs that was written to registries.
      type: int
    blobs_copied:
      description: Blobs of the image that were uploaded.
      type: int
    blobs_mounted:
      description: Blobs that another repository of the registry lent.
      type: int
    blobs_present:
      description: Blobs that were there already.
      type: int
    requests:
      description: Number of requests for each registry.
      type: dict
    retries:
      description: How often something was tried again.
      type: int
credentials:
  description: For each registry the kind of place where its login was found, or V(anonymous).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_build import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_BY,
    REQUIRED_ONE_OF,
    image_build,
)
from ansible_collections.imagesync.registry.plugins.module_utils.doors.module import (
    on_termination,
    run,
)
from ansible_collections.imagesync.registry.plugins.module_utils.sync.stop import Stop


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        mutually_exclusive=MUTUALLY_EXCLUSIVE,
        required_by=REQUIRED_BY,
        required_one_of=REQUIRED_ONE_OF,
        supports_check_mode=True,
    )
    stop = Stop()
    on_termination(stop.request)
    run(module, lambda m: image_build(m.params, m.check_mode, stop))


if __name__ == "__main__":
    main()
