import subprocess

from serflow.training import environment


def test_the_commit_tells_of_a_change_anywhere_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "workflow" / "serflow"
    package.joinpath("models").mkdir(parents=True)
    code = package / "models" / "net.py"
    code.write_text("a = 1\n")
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init"], ["add", "."], [*author, "commit", "--message", "one"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
    monkeypatch.setattr(environment, "PACKAGE", package)
    assert environment.commit() == head
    code.write_text("a = 2\n")
    assert environment.commit() == f"{head}+"
