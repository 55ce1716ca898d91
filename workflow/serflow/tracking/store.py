"""MLflow: shows what the result files say. Nothing else imports mlflow, and nothing is read back from it."""

from __future__ import annotations

import contextlib
import datetime
import io
import itertools
import json
import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serflow.corpora import members
from serflow.errors import SerflowError
from serflow.io.files import digest_file, digest_value, read_csv, workspace, write_json
from serflow.runs import RERUN, Run, deviations, group_runs, load_runs, pooled_confusion
from serflow.scoring.metrics import scores
from serflow.tables.overview import KINDS, RULE, Result, read_overview
from serflow.tables.tables import SYNTHETIC

#: Raise it when what is written of a run changes: the runs that stores hold are then written anew.
FORMAT = 1
#: Tags that say which run this is, of which files it was made, and that nothing of it is missing.
KEY, DIGEST, COMPLETE = "serflow.run", "serflow.digest", "serflow.complete"
#: The experiment of what is made over all papers; no paper can have this name.
OVERVIEW = "all papers"

#: Keys of `run.json` that are tags, metrics or times; every other one is a parameter.
_COSTS = ("seconds", "training_seconds", "peak_memory_mib")
_NO_PARAMETERS = ("commit", "device", "deviations", "started", "finished", *_COSTS)
_NEEDED = ("paper", "corpus", "system", "protocol", "seed", "fold", "system_config", "started", "finished")
_MAX_PARAMETER, _MAX_TAG, _MAX_PARAMETERS, _MAX_METRICS = 6000, 8000, 100, 1000

#: MLflow's settings where the environment has none; set before its import, which reads them.
_SETTINGS = {
    # No usage collection, hints and progress bars.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that is down is told after about 7 seconds (pauses of 0, 2 and 4 s and up to 1 s more each), one that
    # never answers after 2 minutes; MLflow's own values, and a server's Retry-After, would keep the command for minutes
    # to hours. Nothing is lost by giving up: the same command logs what is missing.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
#: The variables of the environment whose values no message may show.
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_AGAIN = "type the same command again: it logs what is missing and trains nothing."


class TrackingError(SerflowError):
    """Runs cannot be shown in MLflow."""


@dataclass(frozen=True)
class _Entry:
    """What MLflow is to hold of one run; metrics are (name, step, value, milliseconds)."""

    key: str
    name: str
    digest: str
    started: int
    finished: int
    tags: dict[str, str]
    parameters: dict[str, str]
    metrics: list[tuple[str, int, float, int]]
    artifacts: list[tuple[Path, str]]
    config: dict[str, Any] | None = None
    dataset: dict[str, Any] | None = None
    parent: str | None = None


def init(uri: str) -> None:
    """Make the SQLite store `uri`, or bring it to the schema of the MLflow that is installed.

    A new store is made beside its place and then linked there, so that it is never seen half-made: eight processes
    that open a fresh SQLite store at once would otherwise each create its tables, and fail. A server
    (``http://``, ``https://``) looks after its own store: nothing is done.

    Raises
    ------
    TrackingError
        If `uri` is neither, or its file is no database that this MLflow can use.
    """
    if _is_server(uri):
        return
    path = _sqlite_path(uri)
    if path.exists():
        with path.open("rb") as handle:
            if handle.read(16) != b"SQLite format 3\0":
                raise TrackingError(path, "is no SQLite database", "Set tracking.uri in config.yaml to another file.")
        _upgrade(path)
        return
    with workspace(path) as partial:
        _upgrade(partial)
        with contextlib.suppress(FileExistsError):  # another process was faster: its store is as good
            path.hardlink_to(partial)


def replay(
    uri: str,
    paper: Mapping[str, Any],
    run_dirs: Iterable[Path],
    scores_csv: Path | None,
    artifacts: Iterable[Path],
    artifact_root: Path,
    split_and_manifest: Mapping[str, Mapping[str, Any]],
    prefix: str = "",
) -> dict[str, str]:
    """Write the runs of one paper to MLflow so that it holds each once, as the files have it.

    The experiment is the paper (``PREFIX/PAPER`` with a prefix), a parent run is a system under a protocol on a corpus,
    a child run one seed and fold. A run that is there complete and made of the same files stays untouched; one made of
    other files, or left incomplete by a killed process or a server that died, is deleted (for good; on a server, into
    its trash) and written anew. Other runs are left alone. All files are read before anything is written.

    Parameters
    ----------
    uri
        ``sqlite:///FILE`` or the ``http(s)://`` address of a tracking server.
    paper
        The paper's file; ``paper`` and ``title`` are used.
    run_dirs
        Run directories.
    scores_csv
        The paper's scores, of which the rows over all runs go to the parent runs.
    artifacts
        Tables and figures. Each goes to every parent run, but those under a folder or file name that is another
        parent's corpus, system or protocol.
    artifact_root
        Where the artifacts of an SQLite store go; a server has its own place.
    split_and_manifest
        What `find_data` returns.
    prefix
        Keeps these runs apart from those of another results folder in the same store.

    Returns
    -------
    dict
        Run key, ``paper/corpus/system/protocol[/seedS/foldK]``, to MLflow's run id.

    Raises
    ------
    TrackingError
        If a file lacks something, or MLflow fails. Credentials, which come from the environment
        (``MLFLOW_TRACKING_USERNAME`` and ``_PASSWORD``, or ``_TOKEN``), are never shown, nor any in `uri`.
    ScoreError
        If a run directory is incomplete.
    """
    runs = load_runs(run_dirs)
    rows = read_csv(scores_csv) if scores_csv else []
    entries = _entries(paper, runs, rows, sorted(artifacts), split_and_manifest)
    note = str(paper.get("title", paper["paper"]))
    return _show(uri, _experiment_name(prefix, paper["paper"]), note, entries, artifact_root)


def track_overview(uri: str, artifacts: Sequence[Path], results: Path, output: Path, prefix: str = "") -> None:
    """Write the comparison over all papers to MLflow: one run of an experiment of its own, replaced when it changes.

    Its metrics are the published and our values, ``KIND/PAPER.CORPUS.SYSTEM.PART_METRIC``; the verdicts are tags.

    Parameters
    ----------
    uri
        As for `replay`.
    artifacts
        Tables and figures over all papers.
    results
        The results folder; its ``tables/comparison.csv`` is read, and an SQLite store's artifacts go below it.
    output
        JSON to write: ``{"all papers": MLflow's run id}``.
    prefix
        As for `replay`.

    Raises
    ------
    TrackingError
        If a file is missing, or MLflow fails.
    ScoreError
        If the comparison is missing.
    """
    table = results / "tables" / "comparison.csv"
    entry = _overview_entry(table, read_overview(table), sorted(artifacts))
    note = "Published and reproduced, all papers"
    write_json(output, _show(uri, _experiment_name(prefix, OVERVIEW), note, [entry], results / "mlartifacts"))


def find_data(results: Path, run_dirs: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return where the manifests and splits of runs stand in the results folder.

    Parameters
    ----------
    results
        The results folder.
    run_dirs
        Run directories, ``.../PAPER/CORPUS/SYSTEM/PROTOCOL/seedS/foldK``.

    Returns
    -------
    dict
        By corpus: ``{"manifests": [path, ...], "splits": {"PROTOCOL/seedS": path}}``; a union of corpora has several
        manifests.
    """
    found: dict[str, dict[str, Any]] = {}
    for run in run_dirs:
        paper, corpus, _, protocol, seed, _ = run.parts[-6:]
        manifests = [results / "manifests" / f"{member}.csv" for member in members(corpus)]
        data = found.setdefault(corpus, {"manifests": manifests, "splits": {}})
        data["splits"][f"{protocol}/{seed}"] = results / "splits" / paper / corpus / protocol / f"{seed}.csv"
    return found


# --- from files to entries ---------------------------------------------------------------------------------------


def _entries(
    paper: Mapping[str, Any],
    runs: Sequence[Run],
    rows: Sequence[Mapping[str, str]],
    artifacts: Sequence[Path],
    datasets: Mapping[str, Mapping[str, Any]],
) -> list[_Entry]:
    for run in runs:
        _check(run, paper["paper"])
    twice = [key for key, n in itertools.groupby(sorted(map(_key, runs))) if len(list(n)) > 1]
    if twice:
        raise TrackingError(twice[0], "is the run of two run directories", "Give each run once.")
    entries, groups = [], group_runs(runs)
    names = {name for group in groups for name in group}
    for group, siblings in groups.items():
        children = [_child(run, _dataset(run, datasets)) for run in siblings]
        chosen = [row for row in rows if (row["corpus"], row["system"], row["protocol"]) == group]
        mine = _own_artifacts(artifacts, names - set(group))
        entries += [_parent(paper["paper"], siblings, children, chosen, mine), *children]
    return entries


def _check(run: Run, paper: str) -> None:
    where = run.path / "run.json"
    missing = [key for key in _NEEDED if key not in run.info]
    if missing:
        raise TrackingError(where, f"key {missing[0]!r} is missing", RERUN)
    if run.info["paper"] != paper:
        raise TrackingError(where, f"is a run of paper {run.info['paper']!r}, expected {paper!r}", "Leave it out.")
    if run.info.get("model_format") != "none" and not list(run.path.glob("model*")):
        raise TrackingError(run.path, "holds no model file", RERUN)


def _key(run: Run) -> str:
    return "/".join((run.info["paper"], *run.group, f"seed{run.info['seed']}", f"fold{run.info['fold']}"))


def _child(run: Run, dataset: dict[str, Any] | None) -> _Entry:
    info, key = run.info, _key(run)
    files = [run.path / name for name in ("run.json", "predictions.csv", "history.csv")]
    started, finished = _milliseconds(run, "started"), _milliseconds(run, "finished")
    commit = str(info.get("commit") or "unknown")
    return _Entry(
        key=key,
        name="/".join(key.split("/")[-2:]),
        digest=digest_value([FORMAT, [digest_file(path) for path in files]]),
        started=started,
        finished=finished,
        tags={
            "commit": commit,
            "mlflow.source.git.commit": commit,
            "device": str(info.get("device") or "unknown"),
            "deviations": "; ".join(info.get("deviations", [])) or "none",
        },
        parameters=_flatten({name: value for name, value in info.items() if name not in _NO_PARAMETERS}),
        metrics=[*_history_metrics(run, started), *_final_metrics(run, finished)],
        artifacts=[(path, "") for path in (*files, *sorted(run.path.glob("model*")))],
        config=info["system_config"],
        dataset=dataset,
        parent=key.rsplit("/", 2)[0],
    )


def _parent(
    paper: str,
    runs: Sequence[Run],
    children: Sequence[_Entry],
    rows: Sequence[Mapping[str, str]],
    artifacts: Sequence[tuple[Path, str]],
) -> _Entry:
    notes = deviations(runs)
    finished = max(child.finished for child in children)
    facts = [
        FORMAT,
        list(rows),
        notes,
        [(folder, path.name, digest_file(path)) for path, folder in artifacts],
        {child.key: child.digest for child in children},
    ]
    note = "Deviates from the paper:\n\n" + "\n".join(f"- {text}" for text in notes) if notes else "No deviations."
    return _Entry(
        key="/".join((paper, *runs[0].group)),
        name="/".join(runs[0].group),
        digest=digest_value(facts),
        started=min(child.started for child in children),
        finished=finished,
        tags={"mlflow.note.content": note, "n_runs": str(len(runs))},
        parameters=dict(zip(("corpus", "system", "protocol"), runs[0].group, strict=True)),
        metrics=_score_metrics(rows, finished),
        artifacts=list(artifacts),
    )


def _overview_entry(table: Path, rows: Sequence[Result], artifacts: Sequence[Path]) -> _Entry:
    """Return the one run over all papers; its time is that of the table, which is no part of its digest."""
    time, mine = int(1000 * table.stat().st_mtime), _own_artifacts(artifacts, set())
    values: dict[str, float] = {}
    verdicts: dict[str, str] = {}
    for row in rows:
        name = re.sub(r"[^\w. -]", "_", f"{row.paper}.{row.corpus}.{row.system}.{row.part}_{row.metric}")
        found = {"published": row.published} | {kind: row.cells[kind].value for kind in KINDS}
        values |= {f"{kind}/{name}": value for kind, value in found.items() if value is not None}
        verdicts[f"verdict.{name}"] = ": ".join(filter(None, (row.verdict, row.reason)))
    synthetic = any(row.synthetic for row in rows)
    return _Entry(
        key=OVERVIEW,
        name="comparison",
        digest=digest_value(
            [FORMAT, digest_file(table), [(folder, path.name, digest_file(path)) for path, folder in mine]]
        ),
        started=time,
        finished=time,
        tags={"mlflow.note.content": f"{SYNTHETIC}\n\n{RULE}" if synthetic else RULE, **verdicts},
        parameters={},
        metrics=[(name, 0, value, time) for name, value in values.items()],
        artifacts=mine,
    )


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the leaves of nested mappings under dotted names, sorted, as text that MLflow takes."""
    flat: dict[str, str] = {}
    for name, value in sorted(tree.items()):
        if isinstance(value, Mapping) and value:
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            flat[f"{prefix}{name}"] = text[:_MAX_PARAMETER]
    return flat


def _history_metrics(run: Run, started: int) -> Iterator[tuple[str, int, float, int]]:
    """Yield each epoch's numbers, stamped with the time at which the epoch ended."""
    elapsed = 0.0
    for row in run.history:
        elapsed += row.get("seconds", 0.0)
        for name, value in row.items():
            if name != "epoch" and not math.isnan(value):
                yield name, int(row["epoch"]), value, started + int(1000 * elapsed)


def _final_metrics(run: Run, finished: int) -> Iterator[tuple[str, int, float, int]]:
    """Yield WA, UA and macro-F1 of this run's validation and test part, and what the run cost."""
    for part in ("validation", "test"):
        for metric, value in scores(pooled_confusion([run], part)).items():
            if not math.isnan(value):
                yield f"{part}_{metric}", 0, float(value), finished
    for cost in _COSTS:
        if run.info.get(cost) is not None:
            yield f"run_{cost}", 0, float(run.info[cost]), finished


def _score_metrics(rows: Iterable[Mapping[str, str]], time: int) -> list[tuple[str, int, float, int]]:
    """Return value, bounds, spread and published number of each score over all runs, such as ``test_UA_low``."""
    found: dict[tuple[str, int], float] = {}
    for row in rows:
        if row.get("scope", "all") != "all":
            continue
        name = "_".join(filter(None, (row["part"], row["metric"])))
        for column, suffix in (
            ("value", ""),
            *((column, f"_{column}") for column in ("low", "high", "sd", "published")),
        ):
            if row[column]:
                found[name + suffix, int(row["epoch"] or 0)] = float(row[column])
    return [(name, step, value, time) for (name, step), value in found.items() if not math.isnan(value)]


def _own_artifacts(paths: Sequence[Path], foreign: set[str]) -> list[tuple[Path, str]]:
    """Return the files that are not another parent's, each with its folder below the files' common one."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise TrackingError(missing[0], "no such file", "Make the tables and figures first.")
    root = Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else Path()
    found = []
    for path in paths:
        inner = path.absolute().relative_to(root)
        if not foreign & {*inner.parent.parts, inner.stem}:
            found.append((path, "" if inner.parent == Path() else inner.parent.as_posix()))
    return found


def _dataset(run: Run, datasets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return name, digest, source and size of what a run was made with: the manifests, under a split."""
    corpus, _, protocol = run.group
    if corpus not in datasets:
        return None
    manifests = [Path(path) for path in datasets[corpus]["manifests"]]
    split = Path(datasets[corpus]["splits"][f"{protocol}/seed{run.info['seed']}"])
    missing = [path for path in (*manifests, split) if not path.is_file()]
    if missing:
        raise TrackingError(missing[0], "no such file", "Make the corpus's manifest and split first.")
    return {
        "name": corpus,
        "digest": digest_value([digest_file(path) for path in manifests])[:12],
        "source": json.dumps({"uri": " ".join(path.as_posix() for path in manifests)}),
        "profile": json.dumps({"num_rows": sum(len(read_csv(path)) for path in manifests)}),
        "tags": {
            "mlflow.data.context": protocol,
            "split": split.as_posix(),
            "split_digest": digest_file(split)[:12],
        },
    }


def _milliseconds(run: Run, field: str) -> int:
    try:
        return int(1000 * datetime.datetime.fromisoformat(run.info[field]).timestamp())
    except (TypeError, ValueError):
        fault = f"{field} {run.info[field]!r} is no ISO 8601 time"
        raise TrackingError(run.path / "run.json", fault, RERUN) from None


# --- from entries to MLflow --------------------------------------------------------------------------------------


def _show(uri: str, name: str, note: str, entries: Sequence[_Entry], artifact_root: Path) -> dict[str, str]:
    """Make the store hold each entry once, in the experiment `name`; return MLflow's run id of each key."""
    init(uri)
    with _mlflow_errors(uri):
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        experiment = _experiment(client, uri, name, note, artifact_root)
        receipt = _kept(client, uri, experiment, entries)
        for entry in entries:  # parents stand before their children
            if entry.key not in receipt:
                receipt[entry.key] = _write(client, experiment, entry, receipt)
            elif entry.parent:
                _set_parent(client, receipt[entry.key], receipt[entry.parent])
        # MLflow's client sends a request again whose answer was lost, so that one run may have been made twice.
        if _kept(client, uri, experiment, entries) != receipt:
            fault = f"does not hold the runs of experiment {name!r} as they were written: another process writes them"
            raise TrackingError(_shown(uri), fault + " too, or this is no MLflow server", f"Mend it, and {_AGAIN}")
    return {entry.key: receipt[entry.key] for entry in entries}


def _experiment_name(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _experiment(client: Any, uri: str, name: str, note: str, artifact_root: Path) -> str:
    """Return the id of an experiment, made if it is not there."""
    from mlflow.exceptions import MlflowException

    place = None if _is_server(uri) else (Path(artifact_root).absolute() / name).as_uri()
    found, identity = client.get_experiment_by_name(name), None
    if found is None:
        try:
            identity = client.create_experiment(name, artifact_location=place)
        except MlflowException as error:  # made by a first request whose answer was lost, or by another process
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found is not None:
        identity = found.experiment_id
        if place and found.artifact_location != place:
            fault = f"keeps the artifacts of experiment {name!r} in {found.artifact_location}, not in {place}"
            remedy = f"Was the folder moved? Then delete {_sqlite_path(uri)}: it is made again from the run files."
            raise TrackingError(_sqlite_path(uri), fault, remedy)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(identity)
    client.set_experiment_tag(identity, "mlflow.note.content", note)
    return str(identity)


def _kept(client: Any, uri: str, experiment: str, entries: Sequence[_Entry]) -> dict[str, str]:
    """Return the runs that can stay, by key, and delete what else the store holds under the keys of `entries`."""
    wanted = {entry.key: entry.digest for entry in entries}
    kept: dict[str, str] = {}
    stale = []
    for run in _search(client, uri, experiment):
        tags, active = run.data.tags, run.info.lifecycle_stage == "active"
        key = tags.get(KEY)
        if key not in wanted:
            continue
        if active and COMPLETE in tags and tags.get(DIGEST) == wanted[key] and key not in kept:
            kept[key] = run.info.run_id
            continue
        stale.append(run.info.run_id)
        if active:
            client.delete_run(run.info.run_id)
    if stale and not _is_server(uri):
        _purge(uri, stale)
    return kept


def _search(client: Any, uri: str, experiment: str) -> list[Any]:
    """Return the runs of an experiment; of an SQLite store also those in the trash, which can be emptied there."""
    from mlflow.entities import ViewType

    view, token = ViewType.ACTIVE_ONLY if _is_server(uri) else ViewType.ALL, None
    found: list[Any] = []
    while True:
        page = client.search_runs([experiment], run_view_type=view, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _purge(uri: str, run_ids: Sequence[str]) -> None:
    """Delete runs for good, with their artifacts; `delete_run` only puts them in the trash."""
    from mlflow.cli import gc

    arguments = ["--backend-store-uri", uri, "--tracking-uri", uri, "--run-ids", ",".join(run_ids)]
    with contextlib.redirect_stdout(io.StringIO()):
        gc.main(arguments, standalone_mode=False)


def _write(client: Any, experiment: str, entry: _Entry, receipt: Mapping[str, str]) -> str:
    """Write one run; the tag that says it is complete comes last."""
    from mlflow.entities import Metric, Param, RunTag

    tags = entry.tags | {KEY: entry.key, DIGEST: entry.digest}
    if entry.parent:
        tags["mlflow.parentRunId"] = receipt[entry.parent]
    tags = {name: text[:_MAX_TAG] for name, text in tags.items()}
    run_id = str(client.create_run(experiment, start_time=entry.started, tags=tags, run_name=entry.name).info.run_id)
    for some in _chunks(list(entry.parameters.items()), _MAX_PARAMETERS):
        client.log_batch(run_id, params=[Param(name, value) for name, value in some])
    for some in _chunks(entry.metrics, _MAX_METRICS):
        client.log_batch(run_id, metrics=[Metric(name, value, time, step) for name, step, value, time in some])
    if entry.dataset:
        _log_dataset(client, run_id, entry.dataset)
    for path, folder in entry.artifacts:
        client.log_artifact(run_id, str(path), folder or None)
    if entry.config is not None:
        client.log_dict(run_id, entry.config, "config.yaml")
    client.set_terminated(run_id, end_time=entry.finished)
    client.log_batch(run_id, tags=[RunTag(COMPLETE, "true")])
    return run_id


def _set_parent(client: Any, run_id: str, parent: str) -> None:
    """Hang a run that stays below its parent, which may have been written anew."""
    if client.get_run(run_id).data.tags.get("mlflow.parentRunId") != parent:
        client.set_tag(run_id, "mlflow.parentRunId", parent)


def _log_dataset(client: Any, run_id: str, facts: Mapping[str, Any]) -> None:
    # The plain entity: mlflow.data's classes would read the files, or import pandas' and others' stacks.
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(facts["name"], facts["digest"], "local", facts["source"], profile=facts["profile"])
    tags = [InputTag(name, value) for name, value in facts["tags"].items()]
    client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])


def _chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))


# --- the store ---------------------------------------------------------------------------------------------------


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _sqlite_path(uri: str) -> Path:
    path = uri.removeprefix("sqlite:///")
    if path in {uri, ""}:
        remedy = "Set tracking.uri in config.yaml to sqlite:///FILE or http(s)://HOST."
        raise TrackingError(_shown(uri), "is neither an SQLite file nor a tracking server", remedy)
    return Path(path)


def _upgrade(path: Path) -> None:
    """Do what ``mlflow db upgrade`` does."""
    uri = f"sqlite:///{path}"
    with _mlflow_errors(uri):
        from mlflow.db import upgrade

        upgrade.main([uri], standalone_mode=False)


@contextlib.contextmanager
def _mlflow_errors(uri: str) -> Iterator[None]:
    """Silence MLflow, and tell its errors as one sentence without credentials."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import alembic.util
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    known = (MlflowException, sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError)
    # The clients of a server's artifact store (requests, boto3 and others) have errors of their own.
    failures = (Exception,) if _is_server(uri) else known
    try:
        yield
    except SerflowError:
        raise
    except failures as error:
        reason = _reason(error) if isinstance(error, known) else f"{type(error).__name__}: {_reason(error)}"
        full = "disk is full" in str(error)
        local = "Make room there, then run it again." if full else "Delete the store: it is made from files."
        remedy = _remedy(error) if _is_server(uri) else local
        raise TrackingError(_shown(uri), f"MLflow: {_shown(reason)}", remedy) from None


def _reason(error: Exception) -> str:
    """Return what an error says: of a failed request its cause, without the page that the server sent."""
    text = next(iter(str(error).splitlines()), "") or type(error).__name__
    text = re.split(r"\.? Response (?:body|text): ", text)[0]
    text = re.sub(r"^.* failed with exception ", "", text)
    return re.sub(r"^.* \(Caused by (.*)\)$", r"\1", text)[:300]


def _remedy(error: Exception) -> str:
    """Return what to do next when a server failed."""
    code, status = getattr(error, "error_code", ""), getattr(getattr(error, "response", None), "status_code", 0)
    if code in {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"} or status in {401, 403}:
        names = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN,"
        return f"Set {names} in the environment to credentials that may write there, and {_AGAIN}"
    if code == "ENDPOINT_NOT_FOUND" or "valid JSON" in str(error):
        return f"No MLflow server is there: correct tracking.uri in config.yaml, and {_AGAIN}"
    return f"See that an MLflow server runs there, and {_AGAIN}"


def _shown(text: str) -> str:
    """Return a text without user names and passwords of addresses, and without the environment's secrets."""
    for secret in filter(None, map(os.environ.get, _SECRETS)):
        text = text.replace(secret, "***")
    text = re.sub(r"\b(Basic|Bearer) [^\s'\"]+", r"\1 ***", text)  # a header that a server repeats
    return re.sub(r"(?<!/)//(?!/)\S*@", "//***@", text)  # three slashes: a file, whose name may hold an @
