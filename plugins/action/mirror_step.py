# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the role ``mirror`` that are done on the controller."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.imagesync.registry.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror import (
    files,
    gates,
    names,
    outcome,
    run_files,
    sharing,
    tagging,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.options import (
    check_logins,
)
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.plan import make_plan
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.scaffold import scaffold
from ansible_collections.imagesync.registry.plugins.plugin_utils.mirror.values import plain
from ansible_collections.imagesync.registry.plugins.plugin_utils.schedule import folders
from ansible_collections.imagesync.registry.plugins.plugin_utils.schedule import plan as scheduling

Values = dict[str, Any]
#: what the role's tasks register
_PLAN = "mirror__plan"
_SHARE = "mirror__share"
_RUN = "mirror__run"
_OUTCOME = "mirror__outcome"
_GATES = "mirror__gates"
_TAGS = "mirror__tags"
_TAGGED = "mirror__tagged"
#: and a number
_VERDICT = "mirror__verdict_"


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> Values:
        """Does the step that the option ``step`` names."""
        result: Values = super().run(tmp, task_vars)
        steps: dict[str, Callable[[Values], Values]] = {
            "plan": self._plan,
            "share": self._share,
            "gates": self._gates,
            "verdict": self._verdict,
            "tags": self._tags,
            "scaffold": self._scaffold,
            "keep": self._keep,
            "report": self._report,
            "schedule": self._schedule,
        }
        step = steps.get(str(self._task.args.get("step")))
        if step is None:
            raise AnsibleActionFail(f"step must be one of {', '.join(steps)}")
        try:
            return {**result, "changed": False, **step(task_vars or {})}
        except InvalidInput as error:
            return {**result, "failed": True, "msg": str(error)}

    def _plan(self, task_vars: Values) -> Values:
        """Everything that is to be known before the first request."""
        variables, problems = self._variables(task_vars)
        if problems:
            raise InvalidInput("\n".join(problems))
        self._check_logins(task_vars)
        for warning in names.misspelt(name for name in task_vars if isinstance(name, str)):
            self._display.warning(warning)
        plan = make_plan(variables, task_vars, self._load)
        if any(entry["gates"] for entry in plan["entries"]):
            gates.check_hidden(load_extra_vars(self._loader))
        return {**plan, "run": _run_of_role(self._task), "began": time.time()}

    def _load(self, path: str) -> Any:
        """A file of YAML, with vaults and templates, as variables are. Of tasks nothing is done."""
        found = self._loader.load_from_file(path, cache="none", trusted_as_template=True)
        if not isinstance(found, list):
            return plain(self._templar.template(found))
        # a mistake in it would end the play for all images, in the middle of their gates
        role, manager = self._task._role, self._task.get_variable_manager()
        include = TaskInclude.load(
            {"ansible.builtin.include_tasks": path},
            role=role,
            variable_manager=manager,
            loader=self._loader,
        )
        load_list_of_blocks(
            found,
            play=self._task.get_play(),
            parent_block=include.build_parent_block(),
            role=role,
            variable_manager=manager,
            loader=self._loader,
        )
        return plain(found)

    def _schedule(self, task_vars: Values) -> Values:
        """What is to be on the host so that the mirror runs by itself."""
        given = [str(name) for name in task_vars if str(name).startswith(scheduling.PREFIX)]
        variables, problems = self._variables(task_vars, given)
        if problems:
            raise InvalidInput("\n".join(problems))
        host = scheduling.read_host(str((self._task.args.get("result") or {}).get("stdout", "")))
        plan = scheduling.make_plan(variables, host, self._written_by_hosts(task_vars))
        for warning in scheduling.warnings(plan, host):
            self._display.warning(warning)
        return plan

    def _written_by_hosts(self, task_vars: Values) -> list[tuple[str, Any]]:
        """Where a run of any host of the inventory writes to; what can't be read says nothing."""
        own, _problems = self._variables(task_vars, [n for n in folders.NAMED if n in task_vars])
        found = list(own.items())
        for host in (task_vars.get("groups") or {}).get("all") or ():
            variables = task_vars["hostvars"].get(host) or {}
            for name in folders.NAMED:
                try:
                    found.append((name, plain(variables.get(name))))
                except AnsibleError:
                    continue
        return found

    def _variables(
        self, task_vars: Values, wanted: list[str] | None = None
    ) -> tuple[Values, list[str]]:
        """Those that the plan needs, or those that are wanted, templated."""
        found, problems = {}, []
        if wanted is None:
            wanted = [name for name in task_vars if names.is_read(str(name))]
        for name in sorted(wanted):
            try:
                value = plain(self._templar.template(task_vars[name]))
            except AnsibleError as error:
                problems.append(f"{name}: {error}")
                continue
            if value is not None or names.is_list_of_images(name):
                found[name] = value
        return found, problems

    def _check_logins(self, task_vars: Values) -> None:
        """Those of the registries; they stay here."""
        name = _name_of_logins(task_vars)
        if name:
            try:
                value = plain(self._templar.template(task_vars[name]))
            except AnsibleError as error:
                raise InvalidInput(f"{name}: {error}") from None
            check_logins(name, value)

    def _share(self, task_vars: Values) -> Values:
        """What of the plan this host does."""
        plan = plain(task_vars[_PLAN])
        hosts = [str(host) for host in task_vars["ansible_play_hosts_all"]]
        pruning = plan["options"].get("prune", "none") != "none"
        others = {}
        if plan["shard"] or plan["lock_path"] or pruning:
            others = self._registered(_PLAN, hosts, task_vars)
            others.pop(plan["host"], None)
        skipping = [host for host, other in others.items() if other.get("skipped")]
        if plan["shard"] and skipping:
            raise InvalidInput(
                "mirror_shard splits the images over all hosts of the play, and "
                f"{', '.join(skipping)} would skip a part: the role has a condition there"
            )
        whole = {host: other for host, other in others.items() if "entries" in other}
        stage = not self._task.check_mode
        found = sharing.shared(plan, whole, hosts, stage)
        unknown = sorted(host for host, other in others.items() if other.get("failed"))
        if pruning and unknown:
            self._display.warning(
                f"{plan['host']}: nothing is pruned, as what {', '.join(unknown)} declares was "
                "refused, and may be in the same place"
            )
        prune = "none" if unknown else plan["options"].get("prune", "")
        if found["gated"] and stage:  # nothing goes before all gates are passed
            return {**found, "staging": True, "prune": "none", "prune_later": prune}
        return {**found, "staging": False, "prune": prune, "prune_later": ""}

    def _gates(self, task_vars: Values) -> Values:
        """The images that wait for their gates."""
        plan, token = plain(task_vars[_PLAN]), uuid.uuid4().hex
        first = outcome.returned(plain(task_vars[_RUN]))
        found = list(gates.waiting(plan, first, token))
        failing = any(image.get("failed") for image in first.get("images") or ())
        stopped = failing and plan["options"].get("fail_fast")
        numbered = [{**image, "number": number} for number, image in enumerate(found)]
        return {"images": numbered, "start": [] if stopped else numbered}

    def _verdict(self, task_vars: Values) -> Values:
        """Why the gate failed that just did."""
        name = _name_of_logins(task_vars)
        try:
            logins = plain(self._templar.template(task_vars[name])) if name else []
        except AnsibleError:
            return {"message": f"its gate failed, and {name} can't be read"}
        result, task = (
            plain(task_vars.get(f"ansible_failed_{what}")) for what in ("result", "task")
        )
        return {"message": gates.verdict(result, task, gates.scrubber(logins))}

    def _tags(self, task_vars: Values) -> Values:
        """The call that moves the tags."""
        plan, found = plain(task_vars[_PLAN]), plain(task_vars[_GATES])
        waiting, started = found["images"], bool(found["start"])
        first = outcome.returned(plain(task_vars[_RUN]))
        said = {n: plain(task_vars.get(f"{_VERDICT}{n}")) for n in range(len(waiting))}
        told = tagging.verdicts(waiting, said if started else None)
        prune = task_vars[_SHARE]["prune_later"] or "none"
        return {**tagging.second_call(plan, first, told, prune), "told": told}

    def _scaffold(self, task_vars: Values) -> Values:
        """The files of an image for mirror_images_dir."""
        given = {name: plain(task_vars.get(name)) for name in ("name", "source", "dir")}
        return {"changed": True, "written": scaffold(given, self._task.check_mode)}

    def _whole(self, task_vars: Values, plan: Values, first: Values) -> Values:
        """The result of all calls of the role."""
        share = task_vars[_SHARE]
        if not share["gated"]:
            return first
        if not share["staging"]:
            foretold = tagging.not_run(plan, first)
            if told := tagging.foretold(foretold):
                self._display.warning(f"{plan['host']}: {told}")
            return foretold
        tags, second = plain(task_vars[_TAGS]), plain(task_vars[_TAGGED])
        done = None if second.get("skipped") else outcome.returned(second)
        prevented = share["prune_later"] not in ("", "none") and not tags["prune"]
        if prevented:
            self._display.warning(f"{plan['host']}: {tagging.NOT_PRUNED}")
        return tagging.merged(plan, first, tags["told"], done, prevented)

    def _registered(self, name: str, hosts: list[str], task_vars: Values) -> dict[str, Values]:
        """What hosts have registered under a name in this run of the role."""
        found, run = {}, task_vars[_PLAN]["run"]
        for host in hosts:
            variables = task_vars["hostvars"].get(host) or {}
            value = variables.get(name) if name in variables else None
            # one that failed doesn't tell the run
            if not isinstance(value, Mapping) or value.get("run", run) != run:
                continue
            # with run_once, the value of one host is registered for all of them
            if value.get("host") in (host, None):
                found[host] = plain(value)
        return found

    def _keep(self, task_vars: Values) -> Values:
        """The facts, and the lock on the controller."""
        plan = plain(task_vars[_PLAN])
        result = outcome.returned(plain(self._task.args.get("result") or {}))
        result = self._whole(task_vars, plan, result)
        problem = outcome.message(result)
        changed = False
        if plan["lock_path"] and isinstance(result.get("lock"), Mapping):
            try:
                changed, warnings = files.save_lock(
                    plan["lock_path"], plan["lock"], result["lock"], self._task.check_mode
                )
                for warning in warnings:
                    self._display.warning(f"{plan['host']}: {warning}")
            except InvalidInput as error:
                problem = "\n".join(line for line in (problem, str(error)) if line)
        return {
            "changed": changed,
            "run": plan["run"],
            "host": plan["host"],
            "facts": outcome.facts(result, plan["source"]),
            "problem": problem,
        }

    def _report(self, task_vars: Values) -> Values:
        """Reports and metrics: one file for all hosts that name it.

        What goes wrong is a problem, and no failure.
        """
        hosts = [str(host) for host in task_vars["ansible_play_hosts_all"]]
        plan_host = task_vars[_PLAN]["host"]
        plans = self._registered(_PLAN, hosts, task_vars)
        if not run_files.names_files(plans.values()) or self._task.check_mode:
            return {"problem": "", "written": []}
        steps = (_SHARE, _RUN, _OUTCOME)
        ends = [plans, *(self._registered(name, hosts, task_vars) for name in steps)]
        kept = self._registered(_OUTCOME, hosts, task_vars)
        # where errors are ignored, a host may have come here without one
        outcomes = {host: one for host, one in kept.items() if "problem" in one}
        batch = [str(host) for host in task_vars["ansible_play_batch"]]
        ended = [host for host in batch if host in outcomes]
        first = next(iter(ended), plan_host)
        if first != plan_host and _in_step(self._task):
            return {"problem": "", "written": []}
        ran = [
            run_files.Ran(
                host,
                plans.get(host, {}),
                outcomes.get(host, {}),
                _problem([end.get(host, {}) for end in ends]),
            )
            for host in hosts
        ]
        limited = bool(task_vars.get("ansible_limit"))
        problems, written = run_files.write(ran, time.time(), limited)
        return {"problem": "\n".join(problems), "written": written}


def _name_of_logins(task_vars: Values) -> str:
    """Which variable has the logins of registries, "" if none has."""
    return next((n for n in ("mirror_registries", "imagesync_registries") if n in task_vars), "")


def _run_of_role(task: Any) -> str:
    """The same for all hosts of a play, and another one where the role is used again.

    Hosts may include the role one by one, by the same task of the play.
    """
    found, parent = str(task._uuid), getattr(task, "_parent", None)
    while parent is not None:
        if isinstance(parent, TaskInclude):
            found = str(parent._uuid)
        parent = getattr(parent, "_parent", None)
    return found


def _in_step(task: Any) -> bool:
    """Whether all hosts of a play end one task before they begin the next.

    With other strategies (free, host_pinned) the last host to write the report has them all.
    """
    return getattr(task.get_play(), "strategy", "") in ("linear", "debug")


def _problem(ends: list[Values]) -> str:
    """``ends``: of steps that a host without an outcome may have ended at."""
    return next((str(end["msg"]) for end in ends if end.get("msg")), "")
