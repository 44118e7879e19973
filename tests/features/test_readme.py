"""What the README shows runs as it stands there, and what it names is there."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_programs_of_the_readme_run(monkeypatch, tmp_path, capsys):
    (tmp_path / "from_the_readme.py").write_text("".join(re.findall(r"```python\n(.*?)```", README, re.S)))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("from_the_readme")
    assert capsys.readouterr().out.count("Book object") == 2
    module.rename(1, "Ursula K.")
    module.add_book(1, "Malafrena")
    with module.Session() as session:
        author = session.get(module.Author, 1)
        assert author.name == "Ursula K."
        assert [book.title for book in author.books] == ["The Dispossessed", "Lavinia", "Malafrena"]


@pytest.mark.parametrize("path", sorted({*re.findall(r"\]\(([\w./-]+)\)", README)}))
def test_what_the_readme_links_to_is_there(path):
    assert (ROOT / path).exists()
