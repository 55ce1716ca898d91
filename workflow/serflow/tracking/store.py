"""Where entries are logged: an SQLite file or a tracking server, each entry once, errors without credentials."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import alembic.util
import sqlalchemy.exc
from mlflow import MlflowClient, entities
from mlflow.db import upgrade
from mlflow.exceptions import MlflowException

from serflow.errors import SerflowError
from serflow.io.files import digest_value, workspace
from serflow.papers.model import PaperRecord
from serflow.runs import read_runs
from serflow.scoring.scores import Scores
from serflow.tracking.entries import MODEL, OVERVIEW, Dataset, Entry, describe_paper, overview_entry, paper_entries

#: Raise it when an entry is written in another way: the runs that stores hold are then written anew.
FORMAT = 2
#: Tags of a run: its entry's key and digest, and that nothing of it is missing.
KEY, DIGEST, COMPLETE = "serflow.run", "serflow.digest", "serflow.complete"
#: MLflow's limits: characters of a parameter and of a tag, parameters and metrics of one request.
MAX_PARAMETER, MAX_TAG, MAX_PARAMETERS, MAX_METRICS = 6000, 8000, 100, 1000
#: The same of an experiment's tag.
MAX_NOTE = 5000

#: The variables of the environment whose values no message may show.
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
AGAIN = "type the same command again: it logs what is missing and trains nothing."
#: What MLflow loads a run's model by, in `mlflow.pyfunc.load_model`; it holds no pickle and no code.
MLMODEL = f"""flavors:
  python_function:
    loader_module: serflow.inference.pyfunc
    python_version: {platform.python_version()}
"""

#: What MLflow fails with itself; the clients of a server's artifacts (requests, boto3, ...) have errors of their own.
KNOWN_ERRORS = (MlflowException, sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError)

logging.getLogger("alembic").setLevel(logging.WARNING)


class TrackingError(SerflowError):
    """Runs cannot be logged to MLflow."""


def track(
    uri: str,
    record: PaperRecord,
    runs: Iterable[Path],
    scores: Path,
    artifacts: Iterable[Path],
    results: Path,
    prefix: str = "",
) -> dict[str, str]:
    """Log the runs of one paper, so that the store holds each once, as the files have it.

    The experiment is the paper, a parent run a system under a protocol on a corpus, a child run one seed and fold.
    All files are read before anything is written. Runs of other keys are left alone.

    Parameters
    ----------
    uri
        ``sqlite:///FILE`` or the ``http(s)://`` address of a tracking server.
    artifacts
        Tables and figures below `results`; see `paper_entries`.
    results
        The results folder; an SQLite store keeps its artifacts in ``mlartifacts`` there, a server where it wants.
    prefix
        Experiments are named ``PREFIX/PAPER``, so that several people can share a store.

    Returns
    -------
    dict
        The key of each run, ``paper/corpus/system/protocol[/seedS/foldK]``, and MLflow's id of it.

    Raises
    ------
    RunError
        If a file is missing, or a run is of another paper.
    TrackingError
        If MLflow fails. Credentials, which come from the environment (``MLFLOW_TRACKING_USERNAME`` and ``_PASSWORD``,
        or ``_TOKEN``), are never shown, nor any in `uri`.
    """
    found = Scores.read(scores)
    entries, note = paper_entries(record, read_runs(runs), found, artifacts, results), describe_paper(record, found)
    return write_entries(uri, _name(prefix, record.paper.paper), note, entries, results / "mlartifacts")


def track_overview(uri: str, artifacts: Iterable[Path], results: Path, prefix: str = "") -> dict[str, str]:
    """Log the comparison of all papers as one run of an experiment of its own; see `track` and `overview_entry`."""
    note, entry = "Published and reproduced, all papers", overview_entry(artifacts, results)
    return write_entries(uri, _name(prefix, OVERVIEW), note, [entry], results / "mlartifacts")


def _name(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def write_entries(uri: str, name: str, note: str, entries: Sequence[Entry], artifact_root: Path) -> dict[str, str]:
    """Make a store hold each entry once, in the experiment `name`; return MLflow's id of each key.

    An entry that is there, complete and the same, stays untouched. One that differs, or was left incomplete by a killed
    process or a server that died, is deleted (for good; on a server, into its trash) and written anew. Parents must
    stand before their children.
    """
    digests = {entry.key: digest_value([FORMAT, entry.digest]) for entry in entries}
    make_store(uri)
    with _mlflow_errors(uri):
        client = MlflowClient(uri)
        experiment = _find_experiment(client, name, note, artifact_root)
        if not _is_server(uri):
            _hide_default(client)
        receipt = _keep(client, experiment, digests)
        for entry in entries:
            if entry.key not in receipt:
                tags = {KEY: entry.key, DIGEST: digests[entry.key]}
                tags |= {"mlflow.parentRunId": receipt[entry.parent]} if entry.parent else {}
                receipt[entry.key] = _write(client, experiment, entry, tags)
        _hang(client, experiment, {entry.parent: receipt[entry.parent] for entry in entries if entry.parent})
        # MLflow's client repeats a request whose answer was lost, so that one run may have been made twice.
        if _keep(client, experiment, digests) != receipt:
            fault = f"does not hold the runs of experiment {name!r} as they were written"
            remedy = f"Check that no other process writes them and that this is an MLflow server, and {AGAIN}"
            raise TrackingError(_hide_secrets(uri), fault, remedy)
    return {entry.key: receipt[entry.key] for entry in entries}


def make_store(uri: str) -> None:
    """Make the SQLite store `uri`, or bring it to the schema of the MLflow that is installed.

    A new store is made in another place and then linked to its own, so that nobody sees half of it: eight processes
    that open a fresh SQLite store at once would otherwise each create its tables, and fail. A server makes its own.

    Raises
    ------
    TrackingError
        If `uri` is no SQLite file or server, or its file is no database that this MLflow can use.
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


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _sqlite_path(uri: str) -> Path:
    path = uri.removeprefix("sqlite:///")
    if path in {uri, ""}:
        remedy = "Set tracking.uri in config.yaml to sqlite:///FILE or http(s)://HOST."
        raise TrackingError(_hide_secrets(uri), "is neither an SQLite file nor a tracking server", remedy)
    return Path(path)


def _upgrade(path: Path) -> None:
    uri = f"sqlite:///{path}"
    with _mlflow_errors(uri):
        upgrade.main([uri], standalone_mode=False)


def _find_experiment(client: MlflowClient, name: str, note: str, artifact_root: Path) -> str:
    """Return the id of an experiment, made if it is not there."""
    uri = client.tracking_uri
    place = None if _is_server(uri) else (artifact_root.absolute() / name).as_uri()
    found, identity = client.get_experiment_by_name(name), ""
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
            remedy = (
                f"If the folder was moved, delete {_sqlite_path(uri)} and {artifact_root.parent / 'tracking'}, and run "
                "snakemake again: all is logged anew. If another results folder logs there too, set tracking.prefix."
            )
            raise TrackingError(_sqlite_path(uri), fault, remedy)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(identity)
    client.set_experiment_tag(identity, "mlflow.note.content", note[:MAX_NOTE])
    return str(identity)


def _hide_default(client: MlflowClient) -> None:
    """Put the experiment that MLflow makes in each new store into the trash, as long as nothing is in it."""
    found = client.get_experiment_by_name("Default")
    if found and found.lifecycle_stage == "active" and not client.search_runs([found.experiment_id], max_results=1):
        with contextlib.suppress(MlflowException):  # another process was faster
            client.delete_experiment(found.experiment_id)


def _keep(client: MlflowClient, experiment: str, digests: Mapping[str, str]) -> dict[str, str]:
    """Return the runs that can stay, by key, and delete what else the store holds under the keys of `digests`."""
    kept: dict[str, str] = {}
    stale = []
    for run in _search(client, experiment):
        tags, active = run.data.tags, run.info.lifecycle_stage == "active"
        key = tags.get(KEY, "")
        if key not in digests:
            continue
        if active and COMPLETE in tags and tags.get(DIGEST) == digests[key] and key not in kept:
            kept[key] = run.info.run_id
            continue
        stale.append(run.info.run_id)
        if active:
            client.delete_run(run.info.run_id)
    if stale and not _is_server(client.tracking_uri):
        _purge(client.tracking_uri, stale)
    return kept


def _search(client: MlflowClient, experiment: str) -> list[entities.Run]:
    """Return the runs of an experiment; of an SQLite store also those in the trash, which can be emptied there."""
    views = entities.ViewType
    view, token = views.ACTIVE_ONLY if _is_server(client.tracking_uri) else views.ALL, None
    found: list[entities.Run] = []
    while True:
        page = client.search_runs([experiment], run_view_type=view, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _purge(uri: str, run_ids: Sequence[str]) -> None:
    """Delete runs for good, with their artifacts; `delete_run` only puts them in the trash."""
    from mlflow.cli import gc  # three seconds, which only a store with something to delete costs

    arguments = ["--backend-store-uri", uri, "--tracking-uri", uri, "--run-ids", ",".join(run_ids)]
    with contextlib.redirect_stdout(io.StringIO()):
        gc.main(arguments, standalone_mode=False)


def _write(client: MlflowClient, experiment: str, entry: Entry, tags: Mapping[str, str]) -> str:
    """Write one entry with some more tags; the tag that says it is complete comes last."""
    tags = {name: text[:MAX_TAG] for name, text in (*entry.tags.items(), *tags.items())}
    run_id = str(client.create_run(experiment, start_time=entry.started, tags=tags, run_name=entry.name).info.run_id)
    parameters = [entities.Param(name, text[:MAX_PARAMETER]) for name, text in entry.parameters.items()]
    for n in range(0, len(parameters), MAX_PARAMETERS):
        client.log_batch(run_id, params=parameters[n : n + MAX_PARAMETERS])
    metrics = [entities.Metric(m.name, m.value, entry.started + m.time, m.step) for m in entry.metrics]
    for n in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[n : n + MAX_METRICS])
    if entry.dataset:
        _log_dataset(client, run_id, entry.dataset)
    for path, folder in entry.artifacts:
        client.log_artifact(run_id, str(path), folder or None)
    if entry.config is not None:
        client.log_dict(run_id, dict(entry.config), "config.yaml")
    if entry.is_model:
        client.log_text(run_id, MLMODEL, f"{MODEL}/MLmodel")
    client.set_terminated(run_id, end_time=entry.finished)
    client.log_batch(run_id, tags=[entities.RunTag(COMPLETE, "true")])
    return run_id


def _hang(client: MlflowClient, experiment: str, parents: Mapping[str, str]) -> None:
    """Hang each run below its parent, which may have been written anew, those of seeds and folds left out now too."""
    for run in _search(client, experiment):
        tags, active = run.data.tags, run.info.lifecycle_stage == "active"
        parent = next((parents[key] for key in parents if tags.get(KEY, "").startswith(f"{key}/")), None)
        if active and parent and tags.get("mlflow.parentRunId") != parent:
            client.set_tag(run.info.run_id, "mlflow.parentRunId", parent)


def _log_dataset(client: MlflowClient, run_id: str, facts: Dataset) -> None:
    # The plain entity: the classes of mlflow.data would read the files, or import the stacks of pandas and others.
    dataset = entities.Dataset(facts.name, facts.digest, "local", facts.source, profile=facts.profile)
    tags = [entities.InputTag(name, value) for name, value in facts.tags.items()]
    client.log_inputs(run_id, datasets=[entities.DatasetInput(dataset, tags)])


@contextlib.contextmanager
def _mlflow_errors(uri: str) -> Iterator[None]:
    """Raise MLflow's errors as one sentence without credentials."""
    try:
        yield
    except SerflowError:
        raise
    except Exception as error:
        if not _is_server(uri) and not isinstance(error, KNOWN_ERRORS):
            raise
        reason = _reason(error) if isinstance(error, KNOWN_ERRORS) else f"{type(error).__name__}: {_reason(error)}"
        full = "disk is full" in str(error)
        local = "Make room there, then run it again." if full else "Delete the store: it is made from files."
        remedy = _remedy(error) if _is_server(uri) else local
        raise TrackingError(_hide_secrets(uri), f"MLflow: {_hide_secrets(reason)}", remedy) from None


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
        return f"Set {names} in the environment to credentials that may write there, and {AGAIN}"
    if code == "ENDPOINT_NOT_FOUND" or "valid JSON" in str(error):
        return f"No MLflow server is there: correct tracking.uri in config.yaml, and {AGAIN}"
    return f"Check that an MLflow server runs there, and {AGAIN}"


def _hide_secrets(text: str) -> str:
    """Return a text without user names and passwords of addresses, and without the environment's secrets."""
    for secret in filter(None, map(os.environ.get, SECRETS)):
        text = text.replace(secret, "***")
    text = re.sub(r"\b(Basic|Bearer) [^\s'\"]+", r"\1 ***", text)  # a header that a server repeats
    return re.sub(r"(?<!/)//(?!/)\S*@", "//***@", text)  # three slashes: a file, whose name may hold an @
