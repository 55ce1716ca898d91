"""The faults a user can mend, each built from facts: where, what is wrong, what to do next."""

from __future__ import annotations


class SerflowError(Exception):
    """Base of all errors that the command line prints as one sentence instead of a stack trace.

    Parameters
    ----------
    where
        The file, directory, URL or configuration key at fault.
    fault
        What is wrong there, with the value found and what was expected.
    remedy
        What to do next.
    """

    def __init__(self, where: object, fault: str, remedy: str) -> None:
        self.where, self.fault, self.remedy = str(where), fault, remedy
        super().__init__(self.where, fault, remedy)  # as given, so that it survives the way back from a worker process

    def __str__(self) -> str:
        return f"{self.where}: {self.fault.rstrip('.')}. {self.remedy}"


class DamagedFileError(SerflowError):
    """A file that a stage wrote is empty, truncated or no longer what it was."""


class ConfigError(SerflowError, ValueError):
    """A key of config.yaml or of a paper file has a value that is not allowed."""


class DownloadError(SerflowError):
    """A download failed, or what came is not what was published."""


class ArchiveError(SerflowError):
    """An archive is truncated, is no archive, or has a member that must not be extracted."""


class CorpusError(SerflowError):
    """A corpus tree holds a name, annotation or recording that cannot be used."""


class CacheError(SerflowError):
    """A feature cache is incomplete, or was made from other audio, parameters or code than asked for."""


class SplitError(SerflowError):
    """A protocol cannot be applied to a corpus, or a split leaks where its protocol forbids it."""


class TrainingError(SerflowError):
    """A training run cannot start or go on."""


class WeightsError(SerflowError):
    """Pretrained weights cannot be had or do not fit."""


class RunError(SerflowError):
    """A run's folder, or what goes with it, cannot be read or scored."""
