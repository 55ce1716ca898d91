"""MLflow: a view of the result files. Nothing else imports mlflow."""
