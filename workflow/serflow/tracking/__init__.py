"""MLflow: a view of the result files. Nothing else imports mlflow, and nothing is read back from it."""

import os

#: MLflow's settings where the environment has none. MLflow reads some of them when it is imported: they stand here, in
#: what Python runs before any module of this package.
_SETTINGS = {
    # No usage collection, hints and progress bars.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that is down fails after about 7 seconds (pauses of 0, 2 and 4 s and up to 1 s more each), one that never
    # answers after 2 minutes; MLflow's own values, and a server's Retry-After, would keep the command for minutes to
    # hours. Nothing is lost by giving up: the same command logs what is missing.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)
