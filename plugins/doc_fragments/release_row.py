# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for releases say of their rows."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that names apps and their releases."""

    DOCUMENTATION = r"""
options:
  releases:
    description:
      - One row for each app. M(palisade.mod_wsgi.wsgi_source) returns them as
        RV(palisade.mod_wsgi.wsgi_source#module:releases) with the names of the releases, for
        M(palisade.mod_wsgi.wsgi_release).
    type: list
    elements: dict
    required: true
    suboptions:
      app: {description: Name of the app., type: str, required: true}
      source:
        description:
          - Where its code comes from. C(path) is a directory on the controller, C(archive) a tar or zip archive on the
            controller or at an C(https) URL, C(git) a repository, and C(package) a list of pinned requirements.
          - C(archive) also takes C(checksum), which is C(sha256:) with 64 digits and is required for a URL, and
            C(directory), a directory inside the archive. C(git) also takes C(version), C(directory) and C(known_hosts).
        type: dict
        default: {}
      requirements: {description: Requirements file inside the source., type: str, default: ""}
      allow_source_builds:
        description: Whether the deployment account may build packages without a wheel, in a sandbox.
        type: bool
        default: false
      build:
        description: Commands that complete a release before it is tried, each a list of words.
        type: list
        elements: list
        default: []
      build_network: {description: Whether they may use the network., type: bool, default: false}
      directory: {description: Directory of the app's releases on the host., type: path, required: true}
      current: {description: Link to the current release., type: path, required: true}
      group: {description: Group that may read the releases., type: str, required: true}
      account: {description: Service account of the app., type: str, default: ""}
      groups: {description: Supplementary groups of its daemon., type: list, elements: str, default: []}
      application: {description: What is imported of it; V(package.module:callable)., type: str, default: ""}
      umask: {description: Umask of its daemon., type: str, default: "0027"}
      hooks:
        description: Commands to run before the switch to a release, each a list of words.
        type: list
        elements: list
        default: []
      services:
        description: Workers and timers, each with C(title) and the C(program) that the release or the host must have.
        type: list
        elements: dict
        default: []
      writable: {description: Paths that the app may write to., type: list, elements: path, default: []}
      data_marker:
        description: File that exists until the data of an old site is complete; until then no hook runs.
        type: path
        default: ""
      served:
        description: Directories with static files that another account may also read, by POSIX ACLs.
        type: dict
        suboptions:
          account: {description: Account that serves them., type: str, required: true}
          directories: {description: Paths relative to the source., type: list, elements: str, required: true}
      digest: {description: SHA-256 of the source; found by M(palisade.mod_wsgi.wsgi_source)., type: str, default: ""}
      release:
        description: Name of the release; found by M(palisade.mod_wsgi.wsgi_source).
        type: str
        default: ""
      origin:
        description: Says what was fetched, so that it is not fetched twice; found by M(palisade.mod_wsgi.wsgi_source).
        type: str
        default: ""
"""
