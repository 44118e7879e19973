"""Foreign keys that refer to what the database makes: its default, in a column that is no primary key."""

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, select, text

from ropewalk import DeclarativeBase, Session, mapped_column, relationship


def mapped(engine, eager_defaults):
    class Base(DeclarativeBase):
        pass

    tagged = Table(
        "fd_tagged",
        Base.metadata,
        Column("code", ForeignKey("fd_plan.code"), primary_key=True),
        Column("tag_id", ForeignKey("fd_tag.id"), primary_key=True),
    )

    class Plan(Base):
        __tablename__ = "fd_plan"
        __mapper_args__ = {"eager_defaults": eager_defaults}
        id = mapped_column(String(10), primary_key=True)
        code = mapped_column(String(10), server_default=text("'made'"), unique=True)
        steps = relationship("Step", back_populates="plan", order_by="Step.id")
        tags = relationship("Tag", secondary=tagged)

    class Step(Base):
        __tablename__ = "fd_step"
        id = mapped_column(String(10), primary_key=True)
        plan_code = mapped_column(String(10), ForeignKey("fd_plan.code"))
        plan = relationship("Plan", back_populates="steps")

    class Tag(Base):
        __tablename__ = "fd_tag"
        id = mapped_column(String(10), primary_key=True)

    Base.metadata.create_all(engine)
    return Plan, Step, Tag, tagged


@pytest.mark.parametrize("eager_defaults", ["auto", True, False])
def test_the_key_reaches_the_children_in_the_same_flush(engine, eager_defaults):
    plan, step, tag, tagged = mapped(engine, eager_defaults)
    with Session(engine) as session:
        one = plan(id="a", steps=[step(id="1"), step(id="2")], tags=[tag(id="t")])
        two = plan(id="b", code="given", steps=[step(id="3")])
        session.add_all([one, two])
        session.flush()
        assert [s.plan_code for s in (*one.steps, *two.steps)] == ["made", "made", "given"]
        session.commit()
        assert [s.id for s in one.steps] == ["1", "2"]
        assert session.execute(select(tagged)).all() == [("made", "t")]


def test_a_reference_gets_it_too(engine):
    plan, step, _, _ = mapped(engine, False)
    with Session(engine) as session:
        session.add(step(id="1", plan=plan(id="a")))
        session.commit()
        assert session.scalars(select(step.plan_code)).all() == ["made"]
