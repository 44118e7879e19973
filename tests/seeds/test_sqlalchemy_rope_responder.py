"""SQLAlchemy-Rope's usage example, with the web framework it was written for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = """
import responder
import sqlalchemy
from sqlalchemy import Integer, Column
{imports}

from sqlalchemy_rope import SessionJenny


api = responder.API()

Base = declarative_base()

url = "sqlite:///data.db"


class Data(Base):
    __tablename__ = "data"
    id = Column(Integer, primary_key=True)
    count = Column(Integer, default=0)


engine = sqlalchemy.create_engine(url, echo=False)

Base.metadata.create_all(engine)

SessionMaker = sessionmaker(bind=engine)

jenny = SessionJenny(SessionMaker)

if not jenny.session.query(Data).all():
    data = Data()
    jenny.session.add(data)
    jenny.session.commit()


@api.route("/")
def index(req, resp):
    data = jenny.session.query(Data).first()
    data.count += 1
    jenny.session.commit()
    resp.content = str(data.count)


def session_id():
    return id(jenny.session)


if __name__ == "__main__":
    {serve}
"""

# In place of api.run(), which serves until it is stopped.
SERVE = 'print([api.requests.get("/").text for _ in range(3)], sorted(rope.kind for rope in jenny.ropes()))'


@pytest.mark.parametrize("orm", ["sqlalchemy.orm", "ropewalk"])
def test_the_usage_example(orm, tmp_path):
    pytest.importorskip("responder")
    imports = f"from {orm} import declarative_base, sessionmaker"
    (tmp_path / "example.py").write_text(EXAMPLE.format(imports=imports, serve=SERVE))
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['1', '2', '3'] ['module']\n"  # the script's own; no request's is left
