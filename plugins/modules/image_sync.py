#!/usr/bin/python

# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_sync
short_description: Mirror container images between registries, by digest
version_added: 0.1.0
author:
  - The imagesync.registry team (@imagesync)
description:
  - Makes the destination hold exactly the image that the source names, whole and byte for byte, so that its digest stays.
    All platforms of a multi-architecture image are copied, and so are artifacts that aren't images.
  - Source and destination are compared by digest on every run. When there is nothing to do, that takes one HEAD request
    at each side and nothing else.
  - Nothing is copied that the destination has. What another repository of the destination registry has is mounted.
  - The tag is written last. A run that fails, or is killed, leaves it as it was, and the next one goes on with what is
    missing.
  - The module talks to the registries itself; neither a container engine nor another tool is needed on the host.
extends_documentation_fragment:
  - imagesync.registry._attributes
  - imagesync.registry._connection
  - imagesync.registry._connection.limits
attributes:
  check_mode:
    support: full
    details:
      - Not one request that writes is sent. The result says what would change, and how many blobs and bytes would move.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  source:
    description:
      - The image to copy, as C(registry/repository:tag), C(registry/repository@sha256:...), or in Docker's short form.
      - Or an image on the host's disk, as C(oci:/directory:name) in an OCI image layout, C(oci-archive:/file:name) in one in
        a tar file, or C(docker-archive:/file:name:tag) in what C(docker save) writes. The name is the whole
        C(org.opencontainers.image.ref.name), which may be a full reference itself. C(oci:/directory@sha256:...) goes by
        digest.
      - Without a name it is the only image there, if O(destination) has a tag. If it hasn't, it stands for all images there
        by their names, see O(destination_path).
      - Archives may be compressed with gzip, xz or bzip2, and with zstd where Python has it (3.14, or the package
        C(zstandard)). They are copied for that to the folder for temporary files (C(TMPDIR)), decompressed.
      - What C(docker save) writes has no manifests before Docker 25, and gets one that is the same on every run, with the
        layers as they are.
      - With a tag and a digest, the digest decides what is copied, and the tag is what is written at the destination.
    type: str
  destination:
    description:
      - Where the image is to be. Without a tag it takes O(destination_tag).
      - A source given by its digest alone is written by its digest, without a tag, unless the destination has one.
      - With a digest, the source must have that digest.
      - Or a place on the host's disk, as C(oci:/directory:name) or C(oci-archive:/file:name). A directory is made where it is
        missing. An archive is written as a whole at the end of the call, if anything in it changed.
    type: str
  images:
    description:
      - Many images in one call, over shared connections. Each takes the options of the module where it doesn't give
        them itself.
      - Equal entries count once. Two different ones for the same destination tag are an error.
      - Mutually exclusive with O(source) and O(destination).
    type: list
    elements: dict
    suboptions:
      name:
        description: A name of your choice, returned with the image's result.
        type: str
      settled:
        description:
          - What an earlier call of the same run returned of this image, so that nobody is asked again. It isn't for
            playbooks, and may change with every release; the role P(imagesync.registry.mirror#role) hands it over when
            gates have passed.
          - An image that was staged gets its tag, which names the digest that was staged, whatever its source names by
            now. Any other is taken to be as it was returned.
        type: dict
        suboptions:
          reason:
            description: See RV(images[].reason).
            type: str
          digest:
            description: See RV(images[].digest).
            type: str
          source_digest:
            description: See RV(images[].source_digest).
            type: str
          previous_digest:
            description: See RV(images[].previous_digest).
            type: str
          media_type:
            description: See RV(images[].media_type).
            type: str
          platforms:
            description: See RV(images[].platforms).
            type: list
            elements: str
      source:
        description: See O(source).
        type: str
      destination:
        description: See O(destination).
        type: str
      state:
        description: See O(state).
        type: str
        choices: [present, staged, absent]
      tags:
        description: See O(tags).
        type: list
        elements: str
      filter:
        description: See O(filter).
        type: dict
        suboptions:
          semver:
            description: See O(filter.semver).
            type: str
          include:
            description: See O(filter.include).
            type: list
            elements: str
          exclude:
            description: See O(filter.exclude).
            type: list
            elements: str
          prereleases:
            description: See O(filter.prereleases).
            type: bool
            default: false
          variants:
            description: See O(filter.variants).
            type: list
            elements: str
          newest:
            description: See O(filter.newest).
            type: int
          max_tags:
            description: See O(filter.max_tags).
            type: int
            default: 200
          allow_empty:
            description: See O(filter.allow_empty).
            type: bool
            default: false
      destination_tag:
        description: See O(destination_tag).
        type: str
      destination_path:
        description: See O(destination_path).
        type: str
      existing:
        description: See O(existing).
        type: str
        choices: [replace, keep, fail]
      immutable_tags:
        description: See O(immutable_tags).
        type: list
        elements: str
      referrers:
        description: See O(referrers).
        type: str
        choices: [never, with_image, always]
      integrity:
        description: See O(integrity).
        type: str
        choices: [tag, manifests, blobs]
      platforms:
        description: See O(platforms).
        type: list
        elements: str
      platforms_missing:
        description: See O(platforms_missing).
        type: str
        choices: [fail, skip]
      signed_by:
        description: See O(signed_by).
        type: list
        elements: str
      min_age:
        description: See O(min_age). V(0) is none.
        type: str
      backup_tag:
        description: See O(backup_tag). An empty text is none.
        type: str
  state:
    description:
      - V(present) makes the destination tag name the source's image.
      - V(staged) puts everything there by digest and moves no tag, so that the image can be tested first. V(present)
        then moves only the tag.
      - V(absent) removes the destination tag, and the manifest with its signatures and other referrers, unless another
        tag, an index or another image of the same call uses that manifest. It needs a tag or a digest in
        O(destination), and no O(source). By digest it fails while any of these still uses the image. The registry frees
        the space of layers with its garbage collection.
    type: str
    choices: [present, staged, absent]
    default: present
  tags:
    description:
      - Several tags of O(source), which is then written without a tag. So is O(destination), which takes
        O(destination_tag) for each of them.
      - A tag that is given by its name costs no request for the list of tags, and must exist.
      - An V(x) in the place of a number stands for any, as in V(2.13.x), V(v2.x.0) or V(4.x.x). Without V(v), tags
        with a C(v) before the numbers match as well. C(2.13) itself matches V(2.13.x), too.
      - Write them in quotes, since YAML takes C(1.30) for the number 1.3.
      - With O(state=absent), by their names only.
    type: list
    elements: str
  filter:
    description:
      - Selects from all tags of O(source), which is then written without a tag. Beside O(tags), it applies to what
        their wildcards match, and not to tags given by name.
      - All parts have to hold. Tags that stand for a digest, as those of signatures, are never selected.
      - The list of tags of each source is read once in a call. The result has an image for each selected tag, newest
        first.
    type: dict
    suboptions:
      semver:
        description:
          - A range of versions, as V(>=1.25 <2), V(^1.2), V(~1.2), V(1.2.x), V(1.2 - 1.4) or V(^1 || >=3.1). Blanks
            and commas mean that all parts hold, C(||) that one of them does. V(=), V(!=), V(>), V(>=), V(<), V(<=),
            V(^) and V(~) mean what they mean to npm and Helm.
          - A range is over the numbers. V(>=1.26 <2) has C(1.26.0-rc1) and not C(2.0.0-rc1), and prereleases only
            with O(filter.prereleases), or where the range names one, as V(>=1.26.0-rc1) does.
          - A tag is a version when it is up to four numbers, with or without C(v) before them. What follows is a
            prerelease, when its first word is one of C(alpha), C(beta), C(rc), C(pre), C(preview), C(dev),
            C(snapshot), C(nightly), C(canary), C(a), C(b) and C(m), with or without a number. Else it is a variant,
            see O(filter.variants).
        type: str
      include:
        description:
          - Regular expressions. A tag is selected when one of them matches it as a whole.
          - Python sets no limit to the time that an expression takes.
        type: list
        elements: str
      exclude:
        description:
          - Regular expressions. A tag isn't selected when one of them matches it as a whole.
        type: list
        elements: str
      prereleases:
        description:
          - Whether prereleases of versions are selected.
        type: bool
        default: false
      variants:
        description:
          - Regular expressions on the whole of what follows the version, without the dash. V(alpine) selects
            C(1.27.3-alpine) and not C(1.27.3-alpine3.20), and an empty string selects C(1.27.3).
          - Without this option, O(filter.semver), O(filter.newest) and wildcards in O(tags) select plain versions
            only.
        type: list
        elements: str
      newest:
        description:
          - So many of the newest versions, of each variant.
          - A shorter name for one that is selected comes along and isn't counted, as C(1.27) does beside C(1.27.3).
        type: int
      max_tags:
        description:
          - More tags than this are an error. V(0) means that there is no limit.
        type: int
        default: 200
      allow_empty:
        description:
          - Whether it is fine that nothing is selected. Otherwise that is an error, also for each wildcard in
            O(tags).
        type: bool
        default: false
  destination_tag:
    description:
      - What the tag is called at the destination, where O(destination) has none. V({tag}) stands for the source's tag.
      - Write it in quotes, since YAML takes bare braces for a mapping, and C(1.30) for the number 1.3.
    type: str
    default: '{tag}'
  destination_path:
    description:
      - Where the images go that a layout or an archive as O(source) holds, if it names none of them and O(destination) has
        no tag. The path is put behind O(destination), and made of the name that each image has there.
      - V({registry}) stands for the registry of that name, with C(_) for a colon, V({repository}) for its repository and
        V({name}) for the last part of that.
      - Without this option, images of one repository go to O(destination) itself, those of several below it as with
        V({repository}). In a layout as O(destination) they keep their names.
    type: str
  existing:
    description:
      - What to do where the destination tag exists with another digest than the source's.
      - V(replace) moves it, V(keep) leaves it, V(fail) leaves it and fails.
    type: str
    choices: [replace, keep, fail]
    default: replace
  immutable_tags:
    description:
      - Regular expressions on the whole source tag. A tag that matches one and exists at the destination is taken as
        done, without asking the source.
    type: list
    elements: str
  platforms:
    description:
      - The platforms to copy, such as V(linux/amd64) or V(linux/arm/v7). V(amd64), V(x86_64) and V(aarch64) alone are
        those of linux, and V(linux/arm64) is the same as V(linux/arm64/v8).
      - Without any, the whole image is copied and keeps its digest.
      - One platform is copied as the image of that platform alone, which keeps its own digest. Several are an index of
        just these and of the attestations about them. It has a digest of its own, the same on every run, and signatures
        of the whole image aren't about it. All platforms that the image has are the image as it is.
      - An image that isn't built for several platforms is copied as it is, if it is for one of these.
      - Such an image costs one GET of its index on every run.
    type: list
    elements: str
  platforms_missing:
    description:
      - What to do about one of O(platforms) that the image doesn't have. V(fail) fails, V(skip) copies the others.
      - An image that has none of them always fails.
    type: str
    choices: [fail, skip]
    default: fail
  referrers:
    description:
      - What comes along of what is attached to an image. That is signatures, attestations and SBOMs, as OCI referrers and
        as cosign's tags.
      - V(never) copies the image alone. V(with_image) looks for what is attached whenever the image itself is copied.
        V(always) looks for it on images in sync too, and copies what is missing.
      - Of images for several platforms that is what is attached to each of them as well, and what is attached to a
        signature in turn. All of it is there before the tag is moved. If it can't be found out or copied, the image
        fails; only a registry's answer that there is nothing means that there is nothing.
      - What is attached at the destination alone stays. There, cosign's tags for signatures and attestations get those
        that only the source has added. An SBOM under such a tag is replaced by the source's, as cosign does it. Where
        the registry keeps no lists of referrers, the list that stands for them (a tag C(sha256-...)) is kept up to date.
    type: str
    choices: [never, with_image, always]
    default: with_image
  integrity:
    description:
      - How deep it is proven that an image which is at its destination is whole there. What is missing is brought in the
        same run, and nothing else is written.
      - With V(tag), a tag that names the right digest is enough. That a registry has lost something below it isn't
        noticed, as after C(garbage-collect --delete-untagged) of docker-registry 2.8, which deletes the platforms of a
        tagged OCI index.
      - V(manifests) also looks for the manifests below. That costs one GET request for each index and one HEAD request
        for each image in it, and nothing for an image without an index.
      - V(blobs) also looks for every config and layer. That costs one GET request for each index and each manifest, and
        one HEAD request for each blob. Each is asked for once in a call, however many images share it.
      - Staged images are proven as well, and what a new version of a tag has in common with the old one. Images that are
        V(kept) or V(immutable), see RV(images[].reason), are taken as they are.
      - A registry that remembers blobs in a cache has to be restarted after its garbage collection, else it claims to
        have what it has deleted.
    type: str
    choices: [tag, manifests, blobs]
    default: tag
  signed_by:
    description:
      - Public keys, as PEM or as paths of files on the host that the task runs on. The source image must be signed by one
        of them, else it isn't copied, its tag stays as it is, and it fails.
      - Signatures count that cosign made with a key pair, over the digest that the source's reference names, or over the
        image of the one platform that is taken. They are looked for beside the source, under the tag C(sha256-<hex>.sig)
        and as sigstore bundles that refer to the image. Keys are ECDSA, RSA or Ed25519. Signatures by certificates, which
        are those without a key of one's own (keyless), never count.
      - Checked on every run, also for images in sync, which costs two requests or more for each digest. Of images that
        are V(kept), see RV(images[].reason), the source is checked, of those that are V(immutable) what is at the
        destination.
      - A signature that is missing, not valid, for another digest, or can't be read is a failure. RV(images[].signed_by)
        says whose was found.
      - An empty list asks for nothing, also where it stands in an entry of O(images).
      - Needs the Python package C(cryptography) on that host.
    type: list
    elements: str
  min_age:
    description:
      - How old an image has to be before it is taken, as V(3d), V(12h), V(30m) or V(1w). A younger one isn't copied, nor is
        its tag moved. It is V(too_young) and C(ok), and what the tag named before stays until a later run.
      - What counts is the youngest date of all that would be copied, in the configs and in annotations
        C(org.opencontainers.image.created), by the clock of the host that the task runs on. Images that are at their place
        aren't judged, and cost nothing. New ones cost a GET request for each config.
      - An image without a date that can be true fails, else leaving out the date would be the way around. Dates before 2013,
        as builds that are the same every time write them, and dates in the future aren't true. For such an image set V(0).
      - The date is what the builder wrote. This keeps out what is found to be bad, and withdrawn, within a few days. Who wants
        to deceive can write any date, against that see O(signed_by).
      - With O(filter.newest), an older version is taken, or stays, in the place of one that is too young and isn't there yet.
        With O(lock_mode=frozen) it isn't looked for.
      - It holds for V(staged), see O(state), and with O(lock_mode=frozen) as well.
    type: str
  backup_tag:
    description:
      - Under which tag of the same repository it is kept what a tag named before it is moved, as V({tag}-previous). V({tag})
        stands for the tag at the destination. Without this option it isn't kept.
      - It is written before the tag moves, by the old manifest's own bytes, without copying any blob. If that fails, the tag
        isn't moved. A tag that is new has no backup, and one that doesn't move keeps the backup that it has.
      - It is an error before the first write if it is the tag of another image, elsewhere declared, the backup of two images,
        or the source of one.
      - O(prune) leaves these tags alone as long as this option says so. They aren't in the lock.
      - Write it in quotes, since YAML takes bare braces for a mapping.
    type: str
  bandwidth_limit:
    description:
      - The most bytes a second that are read from all sources together, as C(20M) or C(1.5G) (powers of 1024).
    type: str
  max_bytes:
    description:
      - The most bytes of blobs that the call may copy, as C(200G). If more would have to be copied, it fails before the
        first write, in check mode too.
    type: str
  deadline:
    description:
      - Minutes after which the call ends. What isn't done by then is reported as V(not_done), and the task fails. The next
        run goes on from there.
    type: int
  lock_file:
    description:
      - JSON file that says which digest is at each destination, and from where it came. It is read at the beginning and
        replaced at the end, if something changed. It has no times in it, so that Git shows what moved.
      - An entry appears or changes when its image is at the destination. It stays while the image is there, also when it
        isn't declared any more, and goes when O(prune=lock) deletes that.
      - A lock belongs to one task. What another run writes into the file at the same time isn't lost, and not pruned;
        where both change the same entry, there is a warning.
    type: path
  lock:
    description:
      - The content of a lock, in place of a file. RV(lock) is what it becomes.
      - Mutually exclusive with O(lock_file).
    type: dict
  lock_mode:
    description:
      - With V(update), sources are asked for what their tags name now.
      - With V(frozen), what the lock says is brought to the destinations, and no tag is asked for or listed at a source.
        A tag that isn't in the lock is an error. A pattern stands for those of its tags that are locked; none is an
        error, unless O(filter.allow_empty) is set.
    type: str
    choices: [update, frozen]
    default: update
  prune:
    description:
      - What to delete at the destinations. Nothing is ever deleted after a failure in the same run, nothing that another
        tag or an index uses, nothing that the call has as a source, and cosign tags and referrers of images that stay
        are kept.
      - V(lock) deletes what the lock says was put there and isn't declared any more, and the digest that a moved tag left
        behind. A tag that names another digest than the lock says is somebody else's and is kept. Not for a task in a
        C(loop), where each round would delete what the others have put there; use O(images).
      - V(repository) deletes every tag that isn't declared, in all destination repositories of the call. Of tags that stand
        for a digest, as cosign's do, it deletes those of images that aren't there any more, by their digest neither.
    type: str
    choices: [none, lock, repository]
    default: none
  baseline:
    description:
      - The content of the lock of another place, for images that go to a layout or an archive to be carried there. It makes
        that a delta bundle, which leaves out what is there already.
      - An image that the lock has under the same name and with the same digest isn't written at all. Of one that has changed,
        the blobs of the manifest that is locked are left out, where its source still gives that by digest.
      - A delta bundle has the annotation C(org.imagesync.bundle.base). Others can't read its images. This module checks that
        what it leaves out is at the destination, before anything is written.
    type: dict
  declared:
    description:
      - Destinations that are declared elsewhere, and so aren't pruned. A repository without a tag stands for all its tags.
    type: list
    elements: str
  prune_protect:
    description:
      - Regular expressions. A full destination reference in which one of them is found is never pruned.
    type: list
    elements: str
  prune_limit:
    description:
      - The most deletions of O(prune). If there would be more, the task fails and nothing is deleted.
    type: int
    default: 10
  fail_fast:
    description:
      - Whether to stop at the first image that fails. Otherwise the others go on, and the task fails at the end.
    type: bool
    default: false
  progress:
    description:
      - Whether lines on the controller show how far the task is while it runs, at most one a second. They tell how many
        images and bytes are done, of how many, at what rate, how long it will take, and which images have ended.
      - With V(auto), if the output of Ansible is a terminal.
      - There are none in tasks with C(no_log) or C(async), nor over other connections than C(ssh) and C(local). Nothing
        else depends on them.
    type: str
    choices: [auto, always, never]
    default: auto
  progress_file:
    description:
      - A new file on the host that the task runs on, to which lines of JSON are written while the call runs, and which
        is removed at its end. It is set for you where progress is to be shown, see O(progress).
    type: path
requirements:
  - cryptography >= 3.3, for O(signed_by)
seealso:
  - module: imagesync.registry.image_info
  - module: imagesync.registry.image_sign
  - plugin: imagesync.registry.image_digest
    plugin_type: lookup
  - plugin: imagesync.registry.image_tags
    plugin_type: lookup
  - name: Getting started
    description: From nothing to an image that is mirrored and deployed by digest.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/getting-started.md
  - name: Authentication
    description: Where logins are looked for, and what a 401 means.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/authentication.md
  - name: Signatures
    description: What checking and making them does, and exactly what that proves.
    link: https://github.com/imagesync/ansible-registry/blob/main/docs/signatures.md
"""

EXAMPLES = r"""
---
- name: Mirror one image
  imagesync.registry.image_sync:
    source: docker.io/library/busybox:1.36
    destination: registry.example.com/mirror/busybox

- name: Mirror many images in one call
  imagesync.registry.image_sync:
    registries:
      - name: registry.example.com
        username: mirror
        password: "{{ mirror_password }}"
    images:
      - source: docker.io/library/nginx:1.27
        destination: registry.example.com/mirror/nginx
      - source: quay.io/prometheus/node-exporter:v1.8.2
        destination: registry.example.com/mirror/node-exporter
      - destination: registry.example.com/mirror/nginx:1.25
        state: absent

- name: Pack an image for a place without a network
  imagesync.registry.image_sync:
    source: docker.io/library/nginx:1.27
    destination: oci:/srv/bundle:docker.io/library/nginx:1.27

- name: Push all images of an archive there, below mirror
  imagesync.registry.image_sync:
    source: docker-archive:/srv/k3s-airgap-images-amd64.tar.gz
    destination: registry.example.com/mirror
    destination_path: '{repository}'

- name: Put a new version there for testing, without moving its tag
  imagesync.registry.image_sync:
    source: ghcr.io/example/app:2.0
    destination: registry.example.com/app:stable
    state: staged
  register: staged

- name: Show what to test
  ansible.builtin.debug:
    msg: "{{ staged.id }}"

- name: Mirror the three newest versions, and what is in use elsewhere
  imagesync.registry.image_sync:
    images:
      - source: docker.io/library/nginx
        destination: registry.example.com/mirror/nginx
        filter:
          semver: '>=1.25'
          variants: ['', alpine]
          newest: 3
      - source: quay.io/prometheus/prometheus
        destination: registry.example.com/mirror/prometheus
        tags: [v2.53.x, v2.55.1]
      - source: ghcr.io/example/app
        destination: registry.example.com/app
        destination_tag: 'upstream-{tag}'
        filter:
          include: ['release-\d{8}', stable]

- name: Mirror what its makers have signed, and nothing else
  imagesync.registry.image_sync:
    source: ghcr.io/example/app:2.0
    destination: registry.example.com/app
    signed_by:
      - /etc/pki/example-app.pub

- name: Wait three days before anything new is taken, and keep what was there before
  imagesync.registry.image_sync:
    source: ghcr.io/example/app:stable
    destination: registry.example.com/app
    min_age: 3d
    backup_tag: '{tag}-previous'

- name: Bring back what was there before
  imagesync.registry.image_sync:
    source: registry.example.com/app:stable-previous
    destination: registry.example.com/app:stable

- name: Mirror through a registry with its own certificate authority
  imagesync.registry.image_sync:
    source: docker.io/library/redis:7.4
    destination: registry.internal:5000/redis
    immutable_tags:
      - '\d+\.\d+\.\d+'
    registries:
      - name: registry.internal:5000
        ca_path: /etc/pki/internal-ca.pem
"""

RETURN = r"""
images:
  description:
    - One entry for each image, in the order declared, the tags that O(tags) and O(filter) select from the newest on.
      Fields without a value are left out.
    - Where the tags couldn't be found out, there is one entry without a tag, which says why.
    - When the call stands for exactly one image, its fields are also given at the top level.
  returned: always, unless the options are wrong
  type: list
  elements: dict
  contains:
    name:
      description: The entry's name.
      type: str
      returned: when given
    source:
      description: The source in full form.
      type: str
      returned: when there is one
    destination:
      description: The destination in full form, with its tag or digest.
      type: str
      returned: always
    id:
      description: The image at its place, by digest. This is what a deployment should use.
      type: str
      returned: when the image is there, or in check mode would be
      sample: registry.example.com/mirror/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7
    digest:
      description: The digest at the destination.
      type: str
      returned: when the image is there, or in check mode would be
    source_digest:
      description: The digest that the source names.
      type: str
      returned: when the source was asked
    previous_digest:
      description: What the destination named before.
      type: str
      returned: when there was something
    backup:
      description: The full reference under which it is kept what the tag named before, see O(backup_tag).
      type: str
      returned: when the tag was moved, or in check mode would be, and O(backup_tag) is given
      sample: registry.example.com/app:stable-previous
    media_type:
      description: Type of the image's manifest or index.
      type: str
      returned: when the image is there, or in check mode would be
    platforms:
      description: The platforms of a multi-architecture image.
      type: list
      elements: str
      returned: when the index was read
      sample: [linux/amd64, linux/arm64/v8]
    signed_by:
      description:
        - The fingerprints of those of the keys in O(signed_by) that have signed the source.
        - Not there for an image that is V(kept), as it is another one than its source's.
      type: list
      elements: str
      returned: when O(signed_by) is given, and the image is signed
      sample: ["sha256:2a5d6c4f0f7d9c0d0d3bd1d1c6b0a8b8f3e3a2c1c0b9a8978685746352413029"]
    changed:
      description: Whether something was written, or in check mode would be.
      type: bool
      returned: always
    reason:
      description:
        - Why. V(absent), the destination had no such tag. V(digest_differs), it named another image. V(staged), it was
          put there by digest, without its tag. V(incomplete), it was there and parts of it were missing, see
          O(integrity). V(referrers_missing), it was there and something that is attached to it was missing, see
          O(referrers). V(in_sync), nothing was to do. V(kept), O(existing=keep) held.
          V(immutable), O(immutable_tags) held. V(too_young), O(min_age) held. V(removed), it was removed. V(failed), see RV(images[].msg).
          V(not_done), the call ended before, by O(fail_fast), O(deadline), O(max_bytes) or SIGTERM, or a registry said
          that nothing of its limit of requests is left. RV(images[].msg) says which.
      type: str
      returned: always
    failed:
      description:
        - Whether the image failed. Then the destination tag is as it was, unless RV(images[].changed) says that the
          registry took the write and then named something else.
      type: bool
      returned: always
    msg:
      description: What failed, or until when an image is too young.
      type: str
      returned: on failure, and for V(too_young)
    warnings:
      description: What was noticed about this image.
      type: list
      elements: str
      returned: when there are any
    bytes_copied:
      description: Bytes of the blobs that were copied for this image.
      type: int
      returned: always
    blobs_copied:
      description: Number of blobs that were copied for this image.
      type: int
      returned: always
    blobs_mounted:
      description: Number of blobs that were taken from another repository of the destination registry.
      type: int
      returned: always
    blobs_present:
      description: Number of blobs that were found at the destination. Those of images in sync aren't counted.
      type: int
      returned: always
summary:
  description: The call in one line, numbers of images by what became of them, failures first.
  returned: always, unless the options are wrong
  type: str
  sample: 3 copied, 57 in sync, 1.2 GiB moved in 12 seconds
stats:
  description: Numbers of the whole call. In check mode, the bytes and blobs that would move.
  returned: always, unless the options are wrong
  type: dict
  contains:
    seconds:
      description: How long the call took.
      type: float
    bytes_downloaded:
      description: Bytes of blobs that were read from sources.
      type: int
    bytes_uploaded:
      description: Bytes of blobs that were written to destinations.
      type: int
    blobs_copied:
      description: Number of blobs that were copied.
      type: int
    blobs_mounted:
      description: Number of blobs that were taken from another repository of the destination registry.
      type: int
    blobs_present:
      description: Number of blobs that were found at the destination.
      type: int
    requests:
      description: Number of requests for each registry.
      type: dict
      sample: {docker.io: 12, registry.example.com: 30}
    retries:
      description: How often an operation was tried again.
      type: int
pruned:
  description: What O(prune) deleted, or in check mode would delete.
  returned: always, unless the options are wrong
  type: list
  elements: dict
  contains:
    destination:
      description: The full reference.
      type: str
    digest:
      description: What it named.
      type: str
lock:
  description: The lock as it is after the call, or in check mode would be.
  returned: when O(lock_file) or O(lock) is given
  type: dict
rate_limits:
  description: For each registry that tells, how many requests it allows, and how many of them were left.
  returned: always, unless the options are wrong
  type: dict
  sample: {docker.io: {limit: 100, remaining: 76, window: 21600}}
credentials:
  description:
    - For each registry the kind of place where its login was found, never what it gave. V(options), V(auth_file),
      V(REGISTRY_AUTH_FILE), V(podman), V(docker), V(helper), V(google), V(ecr) or V(anonymous).
  returned: always, unless the options are wrong
  type: dict
  sample: {docker.io: anonymous, registry.example.com: options}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.imagesync.registry.plugins.module_utils.doors.image_sync import (
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    image_sync,
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
        supports_check_mode=True,
    )
    stop = Stop()
    on_termination(stop.request)
    run(module, lambda m: image_sync(m.params, m.check_mode, stop))


if __name__ == "__main__":
    main()
